//! The folder of one node: made where it is missing, writable by its owner alone, and used by one process of that name at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Fatal, exit};

/// Where a node keeps what the next process of its name is to know. Locked as long as this lives.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    node: String,
    /// Never read: the lock ends with it.
    _lock: File,
}

impl StateDirectory {
    /// # Errors
    /// [`exit::SYSTEM`] where the folder cannot be made, is none, or cannot be written; [`exit::CONFIG`] where others may write
    /// it, or another process has it under this name.
    pub fn open(path: &Path, node: &str) -> Result<StateDirectory, Fatal> {
        let failed = |error| unusable(path, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        StateDirectory::check(path)?;
        let lock = private().write(true).create(true).truncate(false).open(path.join(format!("{node}.lock")));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(StateDirectory { path: path.to_owned(), node: node.to_owned(), _lock: lock }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
            Err(TryLockError::WouldBlock) => Err(Fatal::new(
                exit::CONFIG,
                format!("another process of node {node} has the state directory {}", path.display()),
                "stop it, or give each process a kafka.node of its own (or a node.state_directory)",
            )),
        }
    }

    /// Whether it may be used, without a change to anything. One that is not there is made at start.
    ///
    /// # Errors
    /// Those of [`StateDirectory::open`], save that another process has it.
    pub fn check(path: &Path) -> Result<(), Fatal> {
        let found = match fs::metadata(path) {
            Ok(found) if found.is_dir() => found,
            Ok(_) => return Err(unusable(path, &io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unusable(path, &error)),
        };
        let mode = found.permissions().mode();
        if mode & 0o022 != 0 {
            let what = format!("others may write the state directory {} (mode {:o})", path.display(), mode & 0o7777);
            return Err(Fatal::new(exit::CONFIG, what, format!("chmod 700 {}", path.display())));
        }
        Ok(())
    }

    /// The file of this node with such an ending.
    pub(super) fn file(&self, ending: &str) -> PathBuf {
        self.path.join(format!("{}.{ending}", self.node))
    }

    /// Replaces a file as a whole, for good: after the end of the machine it is the old one or the new one.
    pub(super) fn replace(&self, ending: &str, bytes: &[u8]) -> io::Result<()> {
        let (new, old) = (self.file(&format!("{ending}.new")), self.file(ending));
        let mut file = private().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &old)?;
        File::open(&self.path)?.sync_all()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn unusable(path: &Path, error: &io::Error) -> Fatal {
    Fatal::new(
        exit::SYSTEM,
        format!("the state directory {} cannot be used: {error}", path.display()),
        "give this user a folder of its own: node.state_directory, or StateDirectory= of systemd",
    )
}

/// Files that the owner alone may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_for_its_owner_and_one_process_of_a_name_has_it() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        let first = StateDirectory::open(&path, "n1").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
        let fatal = StateDirectory::open(&path, "n1").unwrap_err();
        assert!(
            fatal.code == exit::CONFIG && fatal.what.contains("node n1") && fatal.fix.contains("kafka.node"),
            "{fatal}"
        );
        StateDirectory::open(&path, "n2").expect("another name");
        drop(first);
        StateDirectory::open(&path, "n1").expect("it is free again");
    }

    #[test]
    fn what_cannot_be_used_is_said_with_the_way_out() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, "x").unwrap();
        let fatal = StateDirectory::open(&file, "n").unwrap_err();
        assert!(fatal.code == exit::SYSTEM && fatal.fix.contains("node.state_directory"), "{fatal}");
        let open = temporary.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o770)).unwrap();
        let fatal = StateDirectory::open(&open, "n").unwrap_err();
        assert!(fatal.code == exit::CONFIG && fatal.fix.contains("chmod 700"), "{fatal}");
        assert_eq!(StateDirectory::check(&open), Err(fatal));
        let missing = temporary.path().join("missing");
        assert_eq!(StateDirectory::check(&missing), Ok(()), "it is made at start");
        assert!(!missing.exists());
    }
}
