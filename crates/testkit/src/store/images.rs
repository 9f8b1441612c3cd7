//! Images.

use atoll_ports::{ImageRecord, Page, StoreError};
use atoll_types::{ImageDigest, ImageSource};

use super::Tables;
use super::page::page;

/// A name as hexadecimal digits: it may have characters that are not safe in a URL.
fn write_hex(name: &str) -> String {
    name.bytes().map(|b| format!("{b:02x}")).collect()
}

fn read_hex(text: &str) -> Option<String> {
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok();
    String::from_utf8(digits.chunks(2).map(byte).collect::<Option<_>>()?).ok()
}

impl Tables {
    pub(super) fn image_put(&mut self, image: &ImageRecord) -> Result<(), StoreError> {
        self.owner_exists(&image.owner)?;
        self.images.insert(image.name.clone(), image.clone());
        Ok(())
    }

    pub(super) fn image_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ImageRecord>, StoreError> {
        let all = self.images.values().cloned().collect();
        let key = |i: &ImageRecord| i.name.to_string();
        page("i", all, key, |name| write_hex(name), read_hex, cursor, limit)
    }

    pub(super) fn image_digest_used(&self, digest: &ImageDigest) -> bool {
        let source = ImageSource::Unpacked(digest.clone());
        self.images.values().any(|i| i.digest == *digest)
            || self.sandboxes.values().any(|s| s.spec.source == source)
            || self.prepared.values().any(|p| p.source == source)
    }
}
