//! `[schemas.registry]`: what makes sense together, and that nothing secret is shown of it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use scorewire::config::machine::Machine;
use scorewire::config::problem::ConfigError;
use scorewire::config::raw::RawConfig;
use scorewire::config::sources::{FlagValue, Sources};
use scorewire::config::{Config, Loaded, show};
use scorewire::registry::settings::{Login, OwnForm, RegistrySettings, SubjectStrategy};
use scorewire::values::secret::{Secret, SecretFrom};
use tempfile::TempDir;

const CANARY: &str = "c4n4ry";

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("package")).unwrap();
        let folder = Folder(dir);
        folder.put("secret", "c4n4ry-file\n");
        folder.put("pem", "-----");
        folder
    }

    /// A file that only its owner may read.
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The smallest configuration, and this below `[schemas.registry]`.
    fn sources(&self, registry: &str) -> Sources {
        let text = format!(
            "[kafka]\nbootstrap = \"localhost:9092\"\ngroup = \"g\"\n[model]\npackage = \"package\"\n[schemas.registry]\n{registry}"
        );
        Sources { file: Some(self.put("scorewire.toml", &text)), ..Sources::default() }
    }

    fn load(&self, registry: &str) -> Result<Loaded, ConfigError> {
        Config::load(&self.sources(registry), &Machine::current())
    }

    #[track_caller]
    fn settings(&self, more: &str) -> RegistrySettings {
        let text = format!("urls = [\"https://r:8081\"]\ncache_dir = \"kept\"\n{more}");
        self.load(&text).unwrap_or_else(|error| panic!("{error}")).config.schemas.registry.unwrap()
    }

    #[track_caller]
    fn fails(&self, registry: &str, key: &str, what: &str) {
        let error = self.load(registry).unwrap_err();
        let [problem] = &error.problems[..] else { panic!("one problem: {error}") };
        let text = problem.to_string();
        assert!(problem.key == key && text.contains(what) && !problem.fix.is_empty(), "{key}, {what}: {text}");
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn a_url_and_a_folder_are_enough_and_everything_else_has_its_place() {
    let folder = Folder::new();
    let settings = folder.settings("");
    assert_eq!((settings.urls.as_slice(), &settings.login), (&["https://r:8081".to_owned()][..], &Login::Nobody));
    assert_eq!(settings.cache_dir, folder.0.path().join("kept"), "from the file's own directory");
    assert_eq!(settings.outputs, OwnForm::Id);
    assert_eq!(folder.settings("outputs = \"single_object\"\n").outputs, OwnForm::SingleObject);
    let all = folder.settings(
        "context = \".risk\"\nsubject_strategy = \"topic_record_name\"\nauto_register = true\n\
         headers = [\"target-sr-cluster: lsrc-1\", \"X-Key: a, b: c\"]\nrequest_timeout_ms = 1500\n\
         lookups_per_second_max = 7\n[schemas.registry.tls]\nca = \"pem\"\ncertificate = \"pem\"\nkey = \"pem\"\n",
    );
    assert_eq!((all.context.as_deref(), all.auto_register), (Some(".risk"), true));
    assert_eq!(all.subject_strategy, SubjectStrategy::TopicRecordName);
    assert_eq!((all.request_timeout.as_millis(), all.lookups_per_second_max), (1_500, 7));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(all.headers.0, [header("target-sr-cluster", "lsrc-1"), header("X-Key", "a, b: c")]);
    assert!(all.tls.ca.is_some() && all.tls.certificate.is_some() && all.tls.key.is_some());
}

#[test]
fn each_login_is_read() {
    let folder = Folder::new();
    let file = SecretFrom::File(folder.0.path().join("secret"));
    let basic = folder.settings("[schemas.registry.basic]\nuser = \"u\"\npassword_file = \"secret\"\n");
    assert_eq!(basic.login, Login::Basic { user: "u".into(), password: file.clone() });
    let bearer = folder.settings("[schemas.registry.bearer]\ntoken_file = \"secret\"\n");
    assert_eq!(bearer.login, Login::Bearer(file.clone()));
    let oauth = "[schemas.registry.oauth]\ntoken_url = \"https://t/token\"\nclient_id = \"me\"\nscope = \"s\"\n\
                 client_secret_file = \"secret\"\n";
    let Login::OAuth(oauth) = folder.settings(oauth).login else { panic!("OAuth") };
    assert_eq!((oauth.client_secret, oauth.scope.as_deref()), (file, Some("s")));
    let kafka = "[schemas.registry.basic]\nsource = \"kafka\"\n[kafka.properties]\n\"security.protocol\" = \"SASL_SSL\"\n\
                 \"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"k\"\n\"sasl.password_file\" = \"secret\"\n";
    let password = SecretFrom::File(folder.0.path().join("secret"));
    assert_eq!(folder.settings(kafka).login, Login::Basic { user: "k".into(), password });
}

#[test]
fn a_secret_from_the_environment_counts_and_one_on_the_command_line_is_refused() {
    let folder = Folder::new();
    let mut sources =
        folder.sources("urls = [\"https://r:1\"]\ncache_dir = \"kept\"\n[schemas.registry.basic]\nuser = \"u\"\n");
    let name = OsString::from("SCOREWIRE__SCHEMAS__REGISTRY__BASIC__PASSWORD");
    sources.env.push((name, OsString::from(CANARY)));
    let loaded = Config::load(&sources, &Machine::current()).unwrap();
    let given = SecretFrom::Given(Secret::new(CANARY.into()));
    let login = Login::Basic { user: "u".into(), password: given };
    assert_eq!(loaded.config.schemas.registry.unwrap().login, login);
    for key in ["schemas.registry.basic.password", "schemas.registry.headers"] {
        let flag = FlagValue { flag: "--set".into(), key: key.into(), value: CANARY.into() };
        let with_flag = Sources { flags: vec![flag], ..sources.clone() };
        let error = Config::load(&with_flag, &Machine::current()).unwrap_err().to_string();
        assert!(error.contains("on the command line") && !error.contains(CANARY), "{error}");
    }
}

#[test]
fn no_secret_is_shown() {
    let folder = Folder::new();
    let more = [
        "headers = [\"x-api-key: c4n4ry\"]\n[schemas.registry.basic]\nuser = \"u\"\npassword = \"c4n4ry\"\n",
        "[schemas.registry.bearer]\ntoken = \"c4n4ry\"\n",
        "[schemas.registry.oauth]\ntoken_url = \"https://t\"\nclient_id = \"me\"\nclient_secret = \"c4n4ry\"\n",
    ];
    for more in more {
        let loaded = folder.load(&format!("urls = [\"https://r:1\"]\ncache_dir = \"kept\"\n{more}")).unwrap();
        let shown = [
            format!("{loaded:?} {loaded:#?}"),
            show::toml(&loaded),
            show::json(&loaded.config).to_string(),
            format!("{:?}", loaded.warnings),
        ];
        for text in &shown {
            assert!(!text.contains(CANARY), "{text}");
        }
        assert!(shown[1].contains("***") && shown[2].contains("***"), "{}", shown[1]);
    }
    for wrong in [
        "urls = [\"https://me:c4n4ry@r:1\"]\ncache_dir = \"kept\"\n",
        "urls = [\"https://r:1\"]\ncache_dir = \"kept\"\nheaders = [\"Authorization: Basic c4n4ry\", \"c4n4ry\"]\n",
        "urls = [\"https://r:1\"]\ncache_dir = \"kept\"\n[schemas.registry.basic]\npasword = \"c4n4ry\"\n",
        "urls = [\"https://r:1\"]\ncache_dir = \"kept\"\n[schemas.registry.bearer]\ntoken = 7\n[schemas.registry.basic]\nuser = \"u\"\npassword = \"c4n4ry\"\n",
    ] {
        let error = folder.load(wrong).unwrap_err();
        let mut problems = Vec::new();
        let raw = RawConfig::read(&folder.sources(wrong), &mut problems);
        for text in [error.to_string(), format!("{error:?}"), format!("{raw:?}"), format!("{problems:?}")] {
            assert!(!text.contains(CANARY), "{text}");
        }
    }
}

#[test]
fn what_makes_no_sense_together_is_told_at_its_key() {
    let folder = Folder::new();
    let good = "urls = [\"https://r:1\"]\ncache_dir = \"kept\"\n";
    let with = |more: &str| format!("{good}{more}");
    folder.fails("cache_dir = \"kept\"\n", "schemas.registry.cache_dir", "no effect without");
    folder.fails("urls = [\"https://r:1\"]\n", "schemas.registry.cache_dir", "required");
    for url in ["r:8081", "ftp://r", "https://", "https://:80", "http://r:1/?x=1", "https://a b"] {
        folder.fails(&format!("urls = [\"{url}\"]\ncache_dir = \"kept\"\n"), "schemas.registry.urls", "one of them");
    }
    let password = "[schemas.registry.basic]\npassword_file = \"secret\"\n";
    folder.fails(&with(password), "schemas.registry.basic.user", "not given");
    let user = "[schemas.registry.basic]\nuser = \"u\"\n";
    folder.fails(&with(user), "schemas.registry.basic.password_file", "not given");
    folder.fails(
        &with(&format!("{user}password_file = \"gone\"\n")),
        "schemas.registry.basic.password_file",
        "cannot read",
    );
    let both = format!("{user}password_file = \"secret\"\npassword = \"x\"\n");
    folder.fails(&with(&both), "schemas.registry.basic.password", "as a value and as a file");
    let two = format!("{user}password_file = \"secret\"\n[schemas.registry.bearer]\ntoken_file = \"secret\"\n");
    folder.fails(&with(&two), "schemas.registry.bearer", "beside [schemas.registry.basic]");
    folder.fails(&with("[schemas.registry.basic]\nsource = \"kafka\"\n"), "schemas.registry.basic.source", "no user");
    folder.fails(&with("context = \"risk\"\n"), "schemas.registry.context", "no context");
    folder.fails(&with("headers = [\"nothing\"]\n"), "schemas.registry.headers", "NAME: VALUE");
    folder.fails(&with("[schemas.registry.tls]\nkey = \"pem\"\n"), "schemas.registry.tls.certificate", "other half");
    folder.fails(&with("[schemas.registry.tls]\nca = \"gone\"\n"), "schemas.registry.tls.ca", "cannot read");
    let read_only = "outputs = \"single_object\"\nauto_register = true\n";
    folder.fails(&with(read_only), "schemas.registry.auto_register", "nothing of ours is registered");
    folder.fails(&with("outputs = \"avro\"\n"), "schemas.registry.outputs", "single_object");
    folder.fails(&with("auto_register = \"yes\"\n"), "schemas.registry.auto_register", "true or false");
}

#[test]
fn a_login_in_the_clear_is_warned_of_where_it_leaves_the_machine() {
    let folder = Folder::new();
    let warnings = |url: &str| {
        let login = "[schemas.registry.basic]\nuser = \"u\"\npassword_file = \"secret\"\n";
        folder.load(&format!("urls = [\"{url}\"]\ncache_dir = \"kept\"\n{login}")).unwrap().warnings
    };
    let of_registry = |url: &str| warnings(url).iter().filter(|warning| warning.contains("registry")).count();
    assert_eq!((of_registry("http://r:8081/x"), of_registry("http://r")), (1, 1));
    assert_eq!(
        (of_registry("https://r:8081"), of_registry("http://localhost:1"), of_registry("http://127.0.0.1")),
        (0, 0, 0)
    );
}

/// What `config show` prints is a configuration.
#[test]
fn what_is_shown_without_a_registry_reads_back() {
    let folder = Folder::new();
    let loaded = folder.load("").unwrap();
    let shown = show::toml(&loaded);
    assert!(shown.contains("[schemas.registry.basic]") && shown.contains("# urls is not set"), "{shown}");
    let again = Sources { file: Some(folder.put("again.toml", &shown)), ..Sources::default() };
    let again = Config::load(&again, &Machine::current()).unwrap_or_else(|error| panic!("{error}")).config;
    assert_eq!(again, loaded.config);
}

#[test]
fn registering_needs_the_registry_and_no_group_or_package() {
    let folder = Folder::new();
    let text =
        "[kafka]\nbootstrap = \"localhost:9092\"\n[schemas.registry]\nurls = [\"https://r:1\"]\ncache_dir = \"kept\"\n";
    let sources = Sources { file: Some(folder.put("register.toml", text)), ..Sources::default() };
    let read = Config::load_registry(&sources, &Machine::current()).unwrap();
    assert_eq!(read.registry.urls, ["https://r:1"]);
    let without = Sources {
        file: Some(folder.put("without.toml", "[kafka]\nbootstrap = \"localhost:9092\"\n")),
        ..Sources::default()
    };
    let error = Config::load_registry(&without, &Machine::current()).unwrap_err();
    assert!(error.problems.iter().any(|problem| problem.key == "schemas.registry.urls"), "{error}");
}
