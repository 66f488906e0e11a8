//! Secrets among the client properties: which they are, how they are masked, and where one is read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::values::secret::Secret;

/// The one secret that a client takes while it lives.
pub const PASSWORD: &str = "sasl.password";

/// Properties whose values are never shown: logs, errors and `config show` mask them.
pub const SECRET_PROPERTIES: &[&str] = &[
    PASSWORD,
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

pub fn is_secret(property: &str) -> bool {
    SECRET_PROPERTIES.contains(&property)
}

/// Prints properties with the secret ones masked.
pub(super) struct Masked<'a>(pub(super) &'a BTreeMap<String, String>);

impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| (name, if is_secret(name) { "***" } else { value.as_str() }));
        f.debug_map().entries(shown).finish()
    }
}

/// The file that `sasl.password` of each client came from, where it came from one: it is read again for each new
/// connection. The client takes no other secret while it lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordFiles {
    pub consumer: Option<PathBuf>,
    pub producer: Option<PathBuf>,
}

/// The secret in a file, without the newline that editors leave behind it.
///
/// # Errors
/// When it cannot be read, or is no UTF-8.
pub fn read_secret(path: &Path) -> io::Result<String> {
    Ok(Secret::of_file(&std::fs::read_to_string(path)?).expose().to_owned())
}
