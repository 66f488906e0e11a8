//! `[[challengers]]`: no keys of the table, since there may be several of each.

use super::draft::Draft;
use super::key::{Section, apart};
use crate::config::plan::ChallengerConfig;
use crate::config::read::Reader;

pub const SECTION: &str = "challengers";
/// Of each challenger.
pub const KEYS: [&str; 3] = ["name", "package", "sample_per_million"];
/// More would be more than one answers for.
pub const CHALLENGERS_MAX: usize = 4;
/// Bytes of a name.
const NAME_MAX: usize = 64;

pub const CHALLENGERS: Section = Section {
    head: r#"

# Packages that answer beside the one that decides (the champion), up to four: [[challengers]] for each. Each lane hands
# copies of a sample of its scored records to a thread of the challenger's own, of the lowest priority, which writes what the
# challenger answers to topics.challenges. It decides nothing, and changes nothing for the champion: where it is slow, hangs
# or fails, records are left out for it, and counted. docs/proving-models.md tells the whole way of a new model.
#[[challengers]]
# In rows, metrics and logs: letters, digits, "-", "_" and ".".
#name = "next"
# Its package, checked at start as the champion's is. [thresholds], where given, hold for it too.
#package = "models/card-fraud-mlp"
# Share of scored records, in millionths, by a hash of their position: the same records for each challenger with this share, and
# again in a replay. Default: 1000000, all of them.
#sample_per_million = 1000000"#,
    keys: &[],
    finish: apart,
};

/// Reads all of them.
pub fn read(reader: &mut Reader<'_>, draft: &mut Draft) {
    let numbers = reader.raw.items(SECTION);
    if numbers.len() > CHALLENGERS_MAX {
        let what = format!("{} challengers, and {CHALLENGERS_MAX} are the most", numbers.len());
        reader.problem(&format!("{SECTION}.{CHALLENGERS_MAX}.name"), what, "compare fewer at a time");
    }
    let mut found: Vec<ChallengerConfig> = Vec::new();
    for number in numbers {
        let key = |name: &str| format!("{SECTION}.{number}.{name}");
        reader.require(&key("name"), "name the challenger: name = \"next\"");
        reader.require(&key("package"), "name the directory of its package: package = \"DIR\"");
        let (name, package) = (reader.text(&key("name")), reader.path(&key("package")));
        let share = reader.integer(&key("sample_per_million"), 0..=1_000_000).unwrap_or(1_000_000);
        let (Some(name), Some(package)) = (name, package) else { continue };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.len() > NAME_MAX || !name.bytes().all(is_plain) {
            let what = format!("{name:?} is no name of a challenger");
            reader.problem(&key("name"), what, "use letters, digits, \"-\", \"_\" and \".\", 64 at most");
        }
        if found.iter().any(|other| other.name == name) {
            reader.problem(&key("name"), format!("{name:?} is another challenger's"), "give each its own name");
        }
        found.push(ChallengerConfig { name, package, sample_per_million: share as u32 });
    }
    draft.config.challengers = found;
}
