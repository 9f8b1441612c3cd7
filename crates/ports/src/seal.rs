//! What must not lie open in the database.

/// Why something was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It was sealed with a master key that is not here.
    #[error("it was sealed with the master key {id}, which this server does not have")]
    UnknownKey {
        /// Id of the key.
        id: String,
    },
    /// It was changed, or sealed for something else.
    #[error("it is not what was sealed")]
    Broken,
    /// The keys could not be kept.
    #[error("the master keys could not be kept")]
    Keep(#[source] std::io::Error),
}

/// Seals with the master keys of the installation. Never waits for long.
pub trait Seal: std::fmt::Debug + Send + Sync {
    /// Sealed, for this context alone: which record of which kind it is.
    ///
    /// # Errors
    /// When there is no randomness.
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError>;
    /// What was sealed.
    ///
    /// # Errors
    /// When its key is not here, or anything of it or of its context is another.
    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError>;
    /// Whether it was sealed with the key that seals now.
    fn is_current(&self, sealed: &[u8]) -> bool;
    /// From now on a new key seals, where Atoll keeps the keys; the others open what they sealed. Answers with the id of the one
    /// that seals.
    ///
    /// # Errors
    /// When it cannot be kept; then nothing changes.
    fn renew(&self) -> Result<String, SealError>;
    /// Forgets the keys that do not seal, where Atoll keeps them.
    ///
    /// # Errors
    /// When that cannot be kept; then nothing changes.
    fn forget_old(&self) -> Result<(), SealError>;
}
