//! Loop devices of the storage image.

use std::io;
use std::path::Path;

use crate::collect::Place;
use crate::world::{LoopDevice, World};

/// What the kernel adds to the name of a file that was deleted.
const DELETED: &str = " (deleted)";

pub(crate) fn collect(place: &Place, world: &mut World) -> io::Result<()> {
    let image = place.path.join("native/pool.img");
    for entry in std::fs::read_dir("/sys/block")?.flatten() {
        // Absent where the device is free, or no loop device.
        let Ok(file) = std::fs::read_to_string(entry.path().join("loop/backing_file")) else { continue };
        let file = file.trim_end_matches('\n');
        let deleted = file.ends_with(DELETED);
        if Path::new(file.strip_suffix(DELETED).unwrap_or(file)) == image {
            let path = Path::new("/dev").join(entry.file_name());
            world.loop_devices.push(LoopDevice { path, deleted });
        }
    }
    // The one in use first: a deleted one cannot be it.
    world.loop_devices.sort_by(|a, b| (a.deleted, &a.path).cmp(&(b.deleted, &b.path)));
    Ok(())
}
