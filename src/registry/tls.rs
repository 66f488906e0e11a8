//! The certificates of the registry's own TLS, read once at start. Kafka's are other ones.

use std::fs;
use std::path::Path;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::settings::TlsFiles;
use crate::error::{Fatal, exit};

/// # Errors
/// [`exit::CONFIG`] for a file that cannot be read or holds something else.
pub(super) fn config(files: &TlsFiles) -> Result<TlsConfig, Fatal> {
    let mut builder = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier);
    if let Some(ca) = &files.ca {
        builder = builder.root_certs(RootCerts::new_with_certs(&certificates(ca, "schemas.registry.tls.ca")?));
    }
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        let chain = certificates(certificate, "schemas.registry.tls.certificate")?;
        builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, private_key(key)?)));
    }
    Ok(builder.build())
}

fn certificates(file: &Path, name: &str) -> Result<Vec<Certificate<'static>>, Fatal> {
    let found = items(file, name)?.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(unusable(file, name, "holds no certificate", "give certificates in PEM (BEGIN CERTIFICATE)")),
    }
}

fn private_key(file: &Path) -> Result<PrivateKey<'static>, Fatal> {
    let name = "schemas.registry.tls.key";
    let found = items(file, name)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    let convert = "give an unencrypted key in PKCS#8: openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW";
    match found {
        // The crate keeps the type to itself.
        Some(key) if format!("{:?}", key.kind()) == "Pkcs8" => Ok(key),
        Some(_) => Err(unusable(file, name, "holds a key in an older form than PKCS#8", convert)),
        None => Err(unusable(file, name, "holds no key that can be read", convert)),
    }
}

fn items(file: &Path, name: &str) -> Result<Vec<PemItem<'static>>, Fatal> {
    let fix = "name a file that this process's user can read";
    let bytes = fs::read(file).map_err(|error| unusable(file, name, &error.to_string(), fix))?;
    let items: Result<Vec<_>, _> = parse_pem(&bytes).collect();
    items.map_err(|_| unusable(file, name, "is no PEM", "give a file in PEM, as `openssl x509` writes it"))
}

fn unusable(file: &Path, name: &str, what: &str, fix: &str) -> Fatal {
    Fatal::new(exit::CONFIG, format!("{name}: {}: {what}", file.display()), fix)
}
