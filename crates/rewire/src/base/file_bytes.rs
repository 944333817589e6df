//! Reads files to where their bytes stay.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// Reads a file. Bytes that are read to a vector would have to be copied, which takes half as long
/// again as reading them.
pub(crate) fn read(path: &Path) -> io::Result<Arc<[u8]>> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    let size = usize::try_from(about.len()).unwrap_or(0);
    if !about.is_file() || size == 0 {
        return read_all(file).map(Arc::from);
    }
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
    if let Some(bytes) = Arc::get_mut(&mut bytes) {
        match file.read_exact(bytes) {
            // It was cut off meanwhile.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return read_all(File::open(path)?).map(Arc::from);
            }
            read => read?,
        }
    }
    // It may have grown meanwhile.
    let rest = read_all(file)?;
    match rest.is_empty() {
        true => Ok(bytes),
        false => Ok([&bytes, &*rest].concat().into()),
    }
}

fn read_all(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_whatever_their_size() {
        let folder = std::env::temp_dir().join(format!("rewire-read-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for size in [0, 1, 4096, 100_001] {
            let bytes: Vec<u8> = (0..size).map(|at: u32| at as u8).collect();
            let path = folder.join("file");
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(*read(&path).unwrap(), *bytes);
        }
        assert!(!read(Path::new("/proc/self/maps")).unwrap().is_empty());
        assert!(read(&folder.join("none")).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
