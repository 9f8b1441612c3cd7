//! What a client types.

use tokio::sync::mpsc;

/// What is typed, and how large the window is.
#[derive(Debug)]
pub(super) enum Typed {
    Keys(Vec<u8>),
    Size(u32, u32),
}

/// The half that types. It works while its [`Screen`](super::Screen) is awaited.
#[derive(Debug, Clone)]
pub struct Keyboard(pub(super) mpsc::Sender<Typed>);

impl Keyboard {
    /// Types; waits while much is not sent yet. Without effect once the screen is gone.
    pub async fn keys(&self, bytes: Vec<u8>) {
        let _gone = self.0.send(Typed::Keys(bytes)).await;
    }

    /// The window has this size now, in columns and rows.
    pub async fn size(&self, cols: u32, rows: u32) {
        let _gone = self.0.send(Typed::Size(cols, rows)).await;
    }
}
