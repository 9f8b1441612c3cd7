//! Quotas, and what is used of them.

pub(crate) mod quotas;
pub(crate) mod show;
