//! A client's configuration under construction, and its log.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaConfRes, RDKafkaType};

use super::errors::c_string;
use super::handle::Client;
use super::threads::{self, OnThreads};
use super::{causes, log_listener};
use crate::error::{Fatal, exit};
use crate::kafka::settings::trust;

/// A client's configuration under construction.
pub struct Conf {
    conf: NonNull<rd::rd_kafka_conf_t>,
    /// Names files and never a secret's value, where the client does not start.
    settings: Vec<(String, String)>,
}

impl Conf {
    /// The client's own texts never name a value, so a secret cannot leak through an error.
    pub fn new(settings: &[(String, String)]) -> Result<Conf, Fatal> {
        // SAFETY: a fresh object, freed in `drop` unless a client takes it.
        let conf = NonNull::new(unsafe { rd::rd_kafka_conf_new() }).expect("librdkafka allocates");
        let conf = Conf { conf, settings: settings.to_vec() };
        for (key, value) in settings {
            conf.set(key, value)?;
        }
        if let Some(bundle) = trust::missing(settings) {
            conf.set(trust::LOCATION, &bundle)?;
        }
        // SAFETY: both functions are valid for the life of the program, and touch state of the calling thread and of listeners alone.
        unsafe {
            rd::rd_kafka_conf_set_log_cb(conf.as_ptr(), Some(log_line));
            rd::rd_kafka_conf_set_ssl_cert_verify_cb(conf.as_ptr(), Some(log_listener::on_certificate));
        }
        Ok(conf)
    }

    pub fn set(&self, key: &str, value: &str) -> Result<(), Fatal> {
        let (key_c, value_c) = (c_string(key)?, c_string(value)?);
        let mut text = [0 as c_char; 512];
        // SAFETY: both strings are NUL-terminated, and the error buffer's length is passed along.
        let answer = unsafe {
            rd::rd_kafka_conf_set(self.as_ptr(), key_c.as_ptr(), value_c.as_ptr(), text.as_mut_ptr(), text.len())
        };
        match answer {
            RDKafkaConfRes::RD_KAFKA_CONF_OK => Ok(()),
            RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => Err(Fatal::new(
                exit::CONFIG,
                format!("the Kafka client knows no property `{key}`"),
                "check the spelling in [kafka.properties]; names are librdkafka's",
            )),
            RDKafkaConfRes::RD_KAFKA_CONF_INVALID => Err(Fatal::new(
                exit::CONFIG,
                format!("the Kafka client refuses the value of property `{key}`"),
                "see librdkafka's CONFIGURATION.md for its type and range",
            )),
        }
    }

    pub fn as_ptr(&self) -> *mut rd::rd_kafka_conf_t {
        self.conf.as_ptr()
    }

    /// The threads of the client that is made of this one begin with `ours`.
    pub fn with_threads<T: OnThreads>(&self, ours: &'static T) {
        // SAFETY: no client has taken the configuration: that takes this value.
        unsafe { threads::join(self.as_ptr(), ours) };
    }

    /// Creates the client, which takes the configuration.
    ///
    /// # Errors
    /// [`exit::CONFIG`] with the reason: files that cannot be read, a key that does not match, and the like.
    pub fn create(mut self, kind: RDKafkaType) -> Result<Client, Fatal> {
        let mut text = [0 as c_char; 512];
        // SAFETY: on success the client owns the configuration; on failure it stays ours and is dropped.
        let rk = unsafe { rd::rd_kafka_new(kind, self.as_ptr(), text.as_mut_ptr(), text.len()) };
        match NonNull::new(rk) {
            Some(rk) => {
                drop(std::mem::take(&mut self.settings));
                std::mem::forget(self);
                Ok(Client::of(rk))
            }
            None => {
                // SAFETY: the buffer was zeroed, so it is NUL-terminated even if nothing was written.
                let text = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned();
                let (what, fix) = causes::of_settings(&text, &self.settings);
                Err(Fatal::new(exit::CONFIG, what, fix))
            }
        }
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: still ours; `create` forgets the wrapper when a client took it.
        unsafe { rd::rd_kafka_conf_destroy(self.as_ptr()) };
    }
}

/// The client's log lines, at the level they were written with. Called from the client's own threads.
unsafe extern "C" fn log_line(_: *const rd::rd_kafka_t, level: c_int, facility: *const c_char, text: *const c_char) {
    // SAFETY: librdkafka passes NUL-terminated strings that live during the call.
    let (facility, text) =
        unsafe { (CStr::from_ptr(facility).to_string_lossy(), CStr::from_ptr(text).to_string_lossy()) };
    if log_listener::line(level, &facility, &text) {
        return;
    }
    match level {
        0..=3 => tracing::error!(target: "kafka", %facility, "{text}"),
        4 => tracing::warn!(target: "kafka", %facility, "{text}"),
        5 | 6 => tracing::info!(target: "kafka", %facility, "{text}"),
        _ => tracing::debug!(target: "kafka", %facility, "{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_destroyed_once_however_often_it_is_asked_for() {
        let mut client = Conf::new(&[]).unwrap().create(RDKafkaType::RD_KAFKA_PRODUCER).unwrap();
        assert_eq!(client.fatal_error(), None);
        client.destroy();
        client.destroy();
        assert!(std::panic::catch_unwind(|| client.as_ptr()).is_err());
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        let settings = [("session.timeout.ms".to_string(), "hunter2".to_string())];
        let fatal = Conf::new(&settings).err().expect("not a number");
        assert!(fatal.what.contains("session.timeout.ms") && !fatal.to_string().contains("hunter2"));
    }
}
