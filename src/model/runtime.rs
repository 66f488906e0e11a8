//! ONNX Runtime itself: found, checked, loaded once per process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::error::{Fatal, exit};
use crate::model::{library, telemetry};

/// The version that the tests run with and `scripts/onnxruntime` fetches. Pinned: later Linux builds send telemetry
/// by default, and scores have changed silently between releases.
pub const PINNED_VERSION: &str = "1.28.0";

/// The first version that sends telemetry on Linux unless told not to.
const TELEMETRY_SINCE_MINOR: u32 = 29;

const LIBRARY: &str = "libonnxruntime.so";

/// Environment variables that name the library, in order; the first is `ort`'s own.
const VARIABLES: [&str; 2] = ["ORT_DYLIB_PATH", "SCOREWIRE_ONNXRUNTIME"];

/// The loaded library. Cheap to clone; there is one per process, and it stays to the process's end.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub(crate) environment: Environment,
    path: PathBuf,
    version: String,
}

static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads the library named by `configured`, or else by `ORT_DYLIB_PATH` or `SCOREWIRE_ONNXRUNTIME`, or else the
    /// one beside the executable or under `target/onnxruntime`. A named library that does not load is an error: no
    /// other is taken in its place.
    ///
    /// # Errors
    /// [`exit::SYSTEM`]: there is no library, it is not ONNX Runtime, or it is too old; or it sends telemetry, and that
    /// could not be switched off beside other threads.
    pub fn load(configured: Option<&Path>) -> Result<Runtime, Fatal> {
        let found = find(configured)?;
        // Held throughout: two threads that load at once must not both build the one environment.
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return runtime.same_as(&found);
        }
        // Before the library is opened: what it does on its way in is done by then.
        let is_off = telemetry::switch_off();
        let version = library::check(&found.path).map_err(|what| found.refused(&what))?;
        if sends_telemetry(&version) && !is_off {
            return Err(found.refused(&format!(
                "is version {version}, which sends telemetry unless {}=1 is there before a process has threads",
                telemetry::VARIABLE
            )));
        }
        let builder = ort::init_from(&found.path).map_err(|error| found.refused(&error.to_string()))?;
        let environment = builder
            .with_name("scorewire")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|error| found.refused(&error.to_string()))?;
        // The logger is asked for everything while the environment is built; from here on only for what matters.
        environment.set_log_level(LogLevel::Warning);
        tracing::info!(version, path = %found.path.display(), named_by = %found.by, "ONNX Runtime loaded");
        warn_of_version(&version);
        let runtime = Runtime { environment, path: found.path, version };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// As the library says it: `1.28.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The library's file, links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For running a model bare beside ours, in benches: a process has one environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    fn same_as(&self, found: &Found) -> Result<Runtime, Fatal> {
        if self.path == found.path {
            return Ok(self.clone());
        }
        let loaded = self.path.display();
        Err(found.refused(&format!("cannot be loaded beside {loaded}, which this process already uses")))
    }
}

fn sends_telemetry(version: &str) -> bool {
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()).unwrap_or_default();
    minor >= TELEMETRY_SINCE_MINOR
}

fn warn_of_version(version: &str) {
    if sends_telemetry(version) {
        let what = "this ONNX Runtime sends telemetry by default; it has been switched off";
        tracing::warn!(version, tested = PINNED_VERSION, "{what}");
    }
}

/// A file to load, and who named it.
struct Found {
    path: PathBuf,
    by: String,
}

impl Found {
    fn refused(&self, what: &str) -> Fatal {
        Fatal::new(
            exit::SYSTEM,
            format!("ONNX Runtime: {} (named by {}) {what}", self.path.display(), self.by),
            advice(),
        )
    }
}

fn advice() -> String {
    format!(
        "run scripts/onnxruntime, which fetches ONNX Runtime {PINNED_VERSION}, or name a library of your own: \
         model.onnxruntime in the configuration, or ORT_DYLIB_PATH=/path/to/{LIBRARY}"
    )
}

fn find(configured: Option<&Path>) -> Result<Found, Fatal> {
    let mut named = configured.map(|path| (path.to_owned(), "model.onnxruntime".to_owned()));
    for variable in VARIABLES {
        let value = || std::env::var_os(variable).filter(|value| !value.is_empty());
        named = named.or_else(|| value().map(|value| (PathBuf::from(value), variable.to_owned())));
    }
    if let Some((path, by)) = named {
        let found = Found { path, by };
        return match found.path.canonicalize() {
            Ok(path) => Ok(Found { path, by: found.by }),
            Err(error) => Err(found.refused(&format!("cannot be opened: {error}"))),
        };
    }
    let places = usual_places();
    let file = places.iter().find_map(|place| place.canonicalize().ok().filter(|path| path.is_file()));
    if let Some(path) = file {
        return Ok(Found { path, by: "the usual places".to_owned() });
    }
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    Err(Fatal::new(exit::SYSTEM, format!("ONNX Runtime is not here; looked at {}", places.join(", ")), advice()))
}

fn usual_places() -> Vec<PathBuf> {
    let versioned = format!("{LIBRARY}.{PINNED_VERSION}");
    let fetched = format!("onnxruntime/{PINNED_VERSION}-{}/{versioned}", std::env::consts::ARCH);
    let mut places = Vec::new();
    if let Some(beside) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        places.extend([beside.join(LIBRARY), beside.join(&versioned)]);
        // target/release/scorewire, target/debug/deps/some_test
        places.extend(beside.ancestors().skip(1).take(2).map(|above| above.join(&fetched)));
    }
    places.push(Path::new("target").join(&fetched));
    places
}

fn log(level: LogLevel, category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose => tracing::trace!(category, place, "ONNX Runtime: {message}"),
        LogLevel::Info => tracing::debug!(category, place, "ONNX Runtime: {message}"),
        LogLevel::Warning => tracing::warn!(category, place, "ONNX Runtime: {message}"),
        LogLevel::Error | LogLevel::Fatal => tracing::error!(category, place, "ONNX Runtime: {message}"),
    }
}
