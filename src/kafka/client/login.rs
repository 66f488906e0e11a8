//! A password that changes while the process runs.
//!
//! The client keeps the password it was made with, and after a rotation it would be locked out for good. So whenever it is
//! about to open a connection, its thread reads the password's file anew and gives it what is there. Each try reads what is
//! there by then, however late the file follows, and nothing is read without one; the client itself spaces its tries
//! (`reconnect.backoff.ms`) and its complaints (the same one twice a minute).
#![allow(unsafe_code, reason = "librdkafka takes credentials in C only; each block says why it holds")]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::bindings as rd;

use super::conf::Conf;
use super::errors::take_error;
use super::threads::OnThreads;
use crate::error::Fatal;
use crate::kafka::settings::secrets::{PASSWORD, read_secret};
use crate::kafka::settings::value_of;

/// What a client says it is, and where its password is kept.
pub struct Login {
    user: CString,
    file: PathBuf,
    latest: Mutex<Latest>,
}

struct Latest {
    password: CString,
    /// How many passwords there have been.
    count: u64,
    /// Said once, until the file can be read again.
    is_unreadable: bool,
}

thread_local! {
    /// Whose thread this is, and the count of the password that it has given to its client.
    static OURS: Cell<Option<(&'static Login, *mut rd::rd_kafka_t, u64)>> = const { Cell::new(None) };
}

impl Login {
    /// Of a client with these settings, whose password came from `file`. It is never freed: threads of the client refer to it,
    /// and there is one to each client of a lane.
    pub fn of(settings: &[(String, String)], file: Option<&Path>) -> Option<&'static Login> {
        let value = |name: &str| value_of(settings, name);
        let (user, password) = (CString::new(value("sasl.username")?).ok()?, CString::new(value(PASSWORD)?).ok()?);
        let latest = Mutex::new(Latest { password, count: 0, is_unreadable: false });
        Some(Box::leak(Box::new(Login { user, file: file?.to_owned(), latest })))
    }

    /// The client that is made of `conf` begins with the newest password, and takes later ones.
    pub fn join(&'static self, conf: &Conf) -> Result<(), Fatal> {
        let latest = self.read();
        conf.set(PASSWORD, &latest.password.to_string_lossy())?;
        conf.with_threads(self);
        // SAFETY: no client has taken the configuration yet; the callback matches its C type.
        unsafe {
            rd::rd_kafka_conf_set_socket_cb(conf.as_ptr(), Some(on_socket));
        }
        Ok(())
    }

    /// The newest password. An empty file is one that is being written.
    fn read(&self) -> MutexGuard<'_, Latest> {
        let found = read_secret(&self.file);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match found.map(CString::new) {
            Ok(Ok(password)) => {
                latest.is_unreadable = false;
                if !password.is_empty() && password != latest.password {
                    latest.password = password;
                    latest.count += 1;
                    tracing::info!(target: "kafka", file = %self.file.display(), "another sasl.password is there: it is used from now on");
                }
            }
            Ok(Err(_)) => {}
            Err(error) => {
                if !std::mem::replace(&mut latest.is_unreadable, true) {
                    tracing::warn!(target: "kafka", file = %self.file.display(), "sasl.password stays as it was: {error}");
                }
            }
        }
        latest
    }

    /// Gives a client the newest password, unless its thread has given it that one before. Returns its count.
    fn renew(&self, client: *mut rd::rd_kafka_t, given: u64) -> u64 {
        let latest = self.read();
        if latest.count != given {
            // SAFETY: called on one of the client's own threads, so that it is alive; it copies both strings.
            let set = unsafe {
                let (user, password) = (self.user.as_ptr(), latest.password.as_ptr());
                take_error(rd::rd_kafka_sasl_set_credentials(client, user, password))
            };
            if let Err((_, text)) = set {
                tracing::warn!(target: "kafka", "the client does not take another sasl.password: {text}");
            }
        }
        latest.count
    }
}

impl OnThreads for Login {
    const NAME: &'static CStr = c"login";

    fn thread_started(&'static self, client: *mut rd::rd_kafka_t, serves_broker: bool) {
        if serves_broker {
            // What another thread gave the client meanwhile is given once more, and does no harm.
            OURS.set(Some((self, client, 0)));
        }
    }
}

/// A connection is about to be opened, on the thread that will own it. The socket is the one that the client makes itself.
unsafe extern "C" fn on_socket(domain: c_int, kind: c_int, protocol: c_int, _: *mut c_void) -> c_int {
    if let Some((login, client, given)) = OURS.get() {
        OURS.set(Some((login, client, login.renew(client, given))));
    }
    // SAFETY: a system call that takes numbers alone.
    unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(file: &Path) -> &'static Login {
        let settings =
            [("sasl.username", "u"), (PASSWORD, "old")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        Login::of(&settings, Some(file)).unwrap()
    }

    #[test]
    fn the_newest_password_is_the_files_and_what_cannot_be_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let login = login(&file);
        let read = || {
            let latest = login.read();
            (latest.password.to_str().unwrap().to_owned(), latest.count)
        };
        assert_eq!(read(), ("old".to_owned(), 0), "there is no file");
        for (text, password, count) in [
            ("old\n", "old", 0),
            ("new\n", "new", 1),
            ("", "new", 1),
            ("\n", "new", 1),
            ("a\0b", "new", 1),
            ("third", "third", 2),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read(), (password.to_owned(), count), "{text:?}");
        }
    }

    #[test]
    fn a_client_without_a_file_or_a_name_has_no_login() {
        let settings = [("sasl.username".to_owned(), "u".to_owned()), (PASSWORD.to_owned(), "p".to_owned())];
        assert!(Login::of(&settings, None).is_none());
        assert!(Login::of(&settings[1..], Some(Path::new("f"))).is_none());
    }
}
