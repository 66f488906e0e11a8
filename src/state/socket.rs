//! The socket of a node's operator: in the state directory, for the directory's owner alone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{RecvFlags, recv};
use rustix::process::geteuid;

use super::directory::StateDirectory;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub uid: u32,
    pub pid: i32,
}

impl Peer {
    /// Whether it is this process's user, or root.
    pub fn is_allowed(self) -> bool {
        self.uid == 0 || self.uid == geteuid().as_raw()
    }
}

/// Whether nobody is at the other end any more, who has said all that he had to say.
pub fn has_gone(stream: &UnixStream) -> bool {
    recv(stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok_and(|(bytes, _)| bytes == 0)
}

/// Where the node of this name listens.
pub fn path(directory: &Path, node: &str) -> PathBuf {
    directory.join(format!("{node}.sock"))
}

/// Hears one operator after the other.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
}

impl ControlSocket {
    /// In place of what an earlier process left: the directory's lock says that there is no other.
    pub(super) fn bind(directory: &StateDirectory) -> io::Result<ControlSocket> {
        let (new, old) = (directory.file("sock.new"), directory.file("sock"));
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&new)?;
        // Nobody finds it before it is closed to others.
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(&new, &old)?;
        Ok(ControlSocket { listener })
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// What the system says.
    pub fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener.accept()?;
        let found = socket_peercred(&stream)?;
        let peer = Peer { uid: found.uid.as_raw(), pid: found.pid.as_raw_nonzero().get() };
        Ok((stream, peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_its_owners_alone_and_takes_the_place_of_one_that_is_left() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDirectory::open(temporary.path(), "n1").unwrap();
        let at = path(temporary.path(), "n1");
        drop(ControlSocket::bind(&directory).unwrap());
        let refused = UnixStream::connect(&at).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "nobody listens any more");
        let socket = ControlSocket::bind(&directory).unwrap();
        assert_eq!(fs::metadata(&at).unwrap().permissions().mode() & 0o777, 0o600);
        let client = UnixStream::connect(&at).unwrap();
        let (stream, peer) = socket.accept().unwrap();
        assert!(!has_gone(&stream), "he waits");
        drop(client);
        assert!(has_gone(&stream));
        assert_eq!(peer, Peer { uid: geteuid().as_raw(), pid: i32::try_from(std::process::id()).unwrap() });
        assert!(peer.is_allowed() && Peer { uid: 0, ..peer }.is_allowed());
        assert!(!Peer { uid: peer.uid + 1, ..peer }.is_allowed());
    }
}
