//! `[[challengers]]`: sections that come again.

use super::load::{Bench, MINIMAL, of};

#[test]
fn challengers_are_sections_that_come_again_and_their_keys_are_checked() {
    let bench = Bench::new();
    let text = format!(
        "{MINIMAL}[[challengers]]\nname = \"next\"\npackage = \"models/next\"\n[[challengers]]\nname = \"other\"\n\
         package = \"models/other\"\nsample_per_million = 10_000\n"
    );
    let env = [("SCOREWIRE__CHALLENGERS__1__SAMPLE_PER_MILLION", "20000")];
    let challengers = bench.load(&text, &env, &[]).unwrap().config.challengers;
    let found: Vec<_> =
        challengers.iter().map(|of| (of.name.as_str(), of.package.clone(), of.sample_per_million)).collect();
    let expected = [("next", bench.path("models/next"), 1_000_000), ("other", bench.path("models/other"), 20_000)];
    assert_eq!(found, expected, "a path starts at the file; the environment goes first");

    let section = |text: &str| format!("[[challengers]]\n{text}\n");
    let wrong = [
        ("name = \"a\"", "challengers.0.package", "required"),
        ("package = \"p\"", "challengers.0.name", "required"),
        ("name = \"a b\"\npackage = \"p\"", "challengers.0.name", "no name"),
        ("name = \"a\"\npackage = \"p\"\nsample = 1", "challengers.0.sample", "unknown key"),
        ("name = \"a\"\npackage = \"p\"\nsample_per_million = 1000001", "challengers.0.sample_per_million", "1000000"),
    ];
    for (text, key, says) in wrong {
        let problems = bench.load(&format!("{MINIMAL}{}", section(text)), &[], &[]).unwrap_err().problems;
        assert!(of(&problems, key).what.contains(says), "{text}: {problems:#?}");
        assert_eq!(problems.len(), 1, "{problems:#?}");
    }
    let one = section("name = \"a\"\npackage = \"p\"");
    let problems = bench.load(&format!("{MINIMAL}{one}{one}"), &[], &[]).unwrap_err().problems;
    assert!(of(&problems, "challengers.1.name").what.contains("another"), "{problems:#?}");
    let five: String = (0..5).map(|number| section(&format!("name = \"{number}\"\npackage = \"p\""))).collect();
    let problems = bench.load(&format!("{MINIMAL}{five}"), &[], &[]).unwrap_err().problems;
    assert!(of(&problems, "challengers.4.name").what.contains("4 are the most"), "{problems:#?}");
    let problems = bench.load(&format!("{MINIMAL}[challengers]\nname = \"a\"\n"), &[], &[]).unwrap_err().problems;
    assert!(of(&problems, "challengers").fix.contains("[[challengers]]"), "{problems:#?}");
}
