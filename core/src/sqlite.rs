//! Which file an SQLite connection has opened.
//!
//! A reader that starts a statement sees everything committed before, because it reads the file that the
//! primary writes. What has to be checked is that the path still leads to that file.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::backend::ProbeError;
use crate::fault::Fault;
use crate::identity::{Identity, Reading, Server};

/// Makes a connection read the file, so that it has surely opened it.
pub const TOUCH: &str = "SELECT count(*) FROM sqlite_master";

/// Device and inode in one number. Where the platform has none, the file cannot be told from another
/// at the same path.
fn file_id(file: &Path) -> std::io::Result<u64> {
    let metadata = std::fs::metadata(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(metadata.ino() ^ metadata.dev().rotate_left(32))
    }
    #[cfg(not(unix))]
    {
        drop(metadata);
        Ok(0)
    }
}

/// The file that one connection, or all connections of a pool, have opened.
///
/// ```
/// use orm_split_core::sqlite::OpenedFile;
///
/// let file = OpenedFile::at("no/such/file", true);
/// assert!(!file.is_there(), "nothing was opened yet");
/// assert!(file.identify().is_err());
/// ```
#[derive(Debug)]
pub struct OpenedFile {
    path: PathBuf,
    id: OnceLock<u64>,
    is_primary: bool,
}

impl OpenedFile {
    /// Of connections that open `path`, to write if `is_primary`.
    pub fn at(path: impl Into<PathBuf>, is_primary: bool) -> Self {
        Self {
            path: path.into(),
            id: OnceLock::new(),
            is_primary,
        }
    }

    /// The same path, for a connection that opens it by itself.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::at(&self.path, self.is_primary)
    }

    /// Which file it is. To be called after the connection was opened and has answered [`TOUCH`]: a file
    /// that is exchanged later is noticed by [`is_there`](Self::is_there).
    ///
    /// # Errors
    /// There is no file at the path.
    pub fn identify(&self) -> std::io::Result<Identity> {
        let id = file_id(&self.path)?;
        self.id.get_or_init(|| id);
        let server = Server::new(id, 0, 0, 0);
        Ok(Identity::new(server, !self.is_primary, Reading::Shared))
    }

    /// Whether the path still leads to it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let current = file_id(&self.path).ok();
        current.is_some() && self.id.get() == current.as_ref()
    }

    /// Where a probe's connection stands: as of now, while the path leads to its file.
    ///
    /// # Errors
    /// The path leads elsewhere, or nowhere.
    pub fn read_position(&self) -> Result<Reading, ProbeError> {
        if self.is_there() {
            return Ok(Reading::Shared);
        }
        let message = "the path leads to another file than the one that was opened";
        Err(ProbeError::new(Fault::Unreachable, message))
    }
}
