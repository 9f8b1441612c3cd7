//! The public API over HTTP and WebSocket.
