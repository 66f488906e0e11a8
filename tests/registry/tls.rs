//! TLS of the registry's own: its CA, and a certificate of the client's, against OpenSSL's own server.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use scorewire::registry::answers::{Answer, Away, Registered};
use scorewire::registry::client::Client;
use scorewire::registry::settings::RegistrySettings;
use tempfile::TempDir;

use crate::common::{STEP, free_port, wait_for};

/// Serves one schema from its folder, to whoever shows a certificate of its CA.
struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    /// `None` (said loudly) on a machine without the program.
    fn start() -> Option<Server> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "nothing may be left out: Debian package openssl");
            eprintln!("SKIPPED: no openssl program: TLS of the registry's client");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let body = r#"{"schema":"\"int\""}"#;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        std::fs::create_dir_all(folder.path().join("schemas/ids")).unwrap();
        std::fs::write(folder.path().join("schemas/ids/1"), answer).unwrap();
        let port = free_port();
        let process = Command::new("openssl")
            .current_dir(folder.path())
            .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-HTTP", "-quiet"])
            .args(["-cert", "server.pem", "-key", "server.key", "-CAfile", "ca.pem", "-Verify", "1"])
            .arg("-verify_return_error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the server listens", STEP, || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(Server { folder, port, process })
    }

    fn settings(&self, host: &str) -> RegistrySettings {
        let mut settings = RegistrySettings::new(&format!("https://{host}:{}", self.port), "unused");
        let file = |name: &str| Some(self.folder.path().join(name));
        settings.tls.ca = file("ca.pem");
        settings.tls.certificate = file("client.pem");
        settings.tls.key = file("client.key");
        settings
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn openssl(folder: &Path, args: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn certificates(folder: &Path) {
    let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let ca = ["-subj", "/CN=ca", "-days", "2", "-addext", "basicConstraints=critical,CA:TRUE"];
    for name in ["ca", "other-ca"] {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        openssl(folder, &[&["req", "-x509"], &new[..], &ca, &["-keyout", &key, "-out", &pem]].concat());
    }
    for name in ["server", "client"] {
        let [key, csr, ext, pem] = ["key", "csr", "ext", "pem"].map(|end| format!("{name}.{end}"));
        openssl(folder, &[&["req"], &new[..], &["-subj", "/CN=localhost", "-keyout", &key, "-out", &csr]].concat());
        std::fs::write(folder.join(&ext), "subjectAltName=DNS:localhost\n").unwrap();
        let by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", &ext];
        openssl(folder, &[&["x509", "-req", "-in", &csr], &by[..], &["-out", &pem]].concat());
    }
    openssl(folder, &["ec", "-in", "client.key", "-out", "old-form.key"]);
}

fn ask(settings: &RegistrySettings) -> Result<Answer<Registered>, Away> {
    Client::new(settings).unwrap().get("/schemas/ids/1")
}

#[test]
fn the_registrys_own_ca_and_our_certificate_open_the_door_and_others_say_why_not() {
    let Some(server) = Server::start() else { return };
    let good = server.settings("localhost");
    assert!(matches!(ask(&good), Ok(Answer::Is(_))), "{:?}", ask(&good));
    let mut other_ca = good.clone();
    other_ca.tls.ca = Some(server.folder.path().join("other-ca.pem"));
    let mut nobody = good.clone();
    (nobody.tls.certificate, nobody.tls.key) = (None, None);
    let mut machines = good.clone();
    machines.tls.ca = None;
    for (settings, word) in [
        (other_ca, "certificate verify failed"),
        (machines, "certificate verify failed"),
        (server.settings("127.0.0.1"), "mismatch"),
        (nobody, "https://localhost"),
    ] {
        let away = ask(&settings).unwrap_err();
        assert!(away.why.contains(word), "{word}: {away}");
    }
}

#[test]
fn files_that_hold_something_else_are_told_at_start() {
    let Some(server) = Server::start() else { return };
    let good = server.settings("localhost");
    let path = |name: &str| Some(server.folder.path().join(name));
    let fails = |change: &dyn Fn(&mut RegistrySettings), word: &str| {
        let mut settings = good.clone();
        change(&mut settings);
        let fatal = Client::new(&settings).unwrap_err();
        assert!(fatal.to_string().contains(word), "{word}: {fatal}");
    };
    fails(&|settings| settings.tls.ca = path("absent.pem"), "No such file");
    fails(&|settings| settings.tls.ca = path("client.key"), "holds no certificate");
    fails(&|settings| settings.tls.key = path("client.pem"), "holds no key");
    fails(&|settings| settings.tls.key = path("old-form.key"), "openssl pkcs8 -topk8");
}
