//! Supervised tasks: none is fire-and-forget, all stop in order.
