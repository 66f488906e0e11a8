//! Where the machine keeps the certificates of CAs. The client brings its own OpenSSL along, which looks for them in the folder
//! where it was built; so they are looked for here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::value_of;

/// The property that says it.
pub const LOCATION: &str = "ssl.ca.location";

/// Of Debian and Ubuntu, Red Hat, openSUSE, and Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What a client with these settings takes for [`LOCATION`], where it needs one and is not told: the file that `SSL_CERT_FILE`
/// names, the folder that `SSL_CERT_DIR` names, or the first bundle there is.
pub fn missing(settings: &[(String, String)]) -> Option<String> {
    let value = |name: &str| value_of(settings, name);
    let has_tls = value("security.protocol")?.trim().to_ascii_uppercase().ends_with("SSL");
    if !has_tls || value(LOCATION).is_some() || value("ssl.ca.pem").is_some() {
        return None;
    }
    let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    bundle(said("SSL_CERT_FILE"), said("SSL_CERT_DIR"), Path::exists).map(|path| path.to_string_lossy().into_owned())
}

/// A file that is named and not there is named all the same: the client then says so.
fn bundle(file: Option<OsString>, folder: Option<OsString>, is_there: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let said = file.or(folder).map(PathBuf::from);
    said.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|path| is_there(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_environment_names_goes_before_the_bundles_of_the_machine() {
        let all = |_: &Path| true;
        let file = || Some(OsString::from("/f"));
        let folder = || Some(OsString::from("/d"));
        assert_eq!(bundle(file(), folder(), all), Some("/f".into()));
        assert_eq!(bundle(None, folder(), all), Some("/d".into()));
        assert_eq!(bundle(None, None, all), Some(BUNDLES[0].into()));
        assert_eq!(bundle(None, None, |path| path == Path::new(BUNDLES[2])), Some(BUNDLES[2].into()));
        assert_eq!(bundle(None, None, |_| false), None);
    }

    #[test]
    fn only_a_client_with_tls_that_is_told_nothing_takes_it() {
        let missing = |settings: &[(&str, &str)]| {
            let owned: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            missing(&owned)
        };
        assert_eq!(missing(&[]), None);
        assert_eq!(missing(&[("security.protocol", "SASL_PLAINTEXT")]), None);
        assert_eq!(missing(&[("security.protocol", "ssl"), (LOCATION, "/own.pem")]), None);
        assert_eq!(missing(&[("security.protocol", "ssl"), ("ssl.ca.pem", "-----")]), None);
    }
}
