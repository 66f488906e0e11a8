//! `[fallback]` and what belongs to it. The story: a lane stands still for good since somebody wrote `pause` for records that
//! never heal; a time-out that no lane keeps; a step that no record ever reaches.

use scorewire::values::failure::FailureClass;
use scorewire::values::settings::{FallbackEnd, FallbackStep, WhenLate};
use scorewire::values::topics::Needs;

use super::load::{Bench, MINIMAL, of};

#[test]
fn steps_are_read_in_their_order_and_a_package_starts_at_the_file() {
    let bench = Bench::new();
    let text = format!(
        "{MINIMAL}[fallback]\non = [\"failed\", \"bad_answer\"]\nthen = [\"package:models/small\", \"score:0.25\"]\n"
    );
    let config = bench.load(&text, &[], &[]).unwrap().config;
    let dir = bench.path("models/small");
    let package = FallbackStep::Package { dir: dir.clone(), said: "models/small".into() };
    assert_eq!(config.fallback.then, [package, FallbackStep::End(FallbackEnd::Score(0.25))]);
    assert_eq!(config.fallback.on.iter().collect::<Vec<_>>(), [FailureClass::Failed, FailureClass::BadAnswer]);
    assert_eq!(config.fallback.then[0].to_string(), "package:models/small", "as it was written");
    assert_eq!(config.fallback_packages().collect::<Vec<_>>(), [dir.as_path()]);
    assert_eq!(config.needs(), Needs::default());
    let env = [("SCOREWIRE__FALLBACK__ON", "timed_out,late"), ("SCOREWIRE__FALLBACK__THEN", "retry_later")];
    let text = format!(
        "{MINIMAL}[lanes]\nlayout = \"dedicated\"\n[deadline]\nlimit_ms = 50\nthen = \"shed\"\n[retry_later]\ndelay_ms = 5\n"
    );
    let config = bench.load(&text, &[env[0], env[1], ("SCOREWIRE__MODEL__TIMEOUT_MS", "80")], &[]).unwrap().config;
    assert_eq!(config.deadline.unwrap().then, WhenLate::Shed);
    assert_eq!((config.model.timeout.unwrap().as_millis(), config.retry.delay.as_millis()), (80, 5));
    assert!(config.needs().retry_later);
}

#[test]
fn what_does_not_fit_together_is_a_problem_with_its_way_out() {
    let bench = Bench::new();
    let fallback = |on: &str, then: &str| format!("[fallback]\non = [{on}]\nthen = [{then}]\n");
    let wrong = [
        (fallback("\"broken\"", "\"pause\""), "fallback.on", "no failure"),
        (fallback("\"failed\"", "\"ask\""), "fallback.then", "no step"),
        (fallback("\"failed\"", "\"score:1.5\""), "fallback.then", "no step"),
        (fallback("\"failed\"", "\"package:small\""), "fallback.then", "no end"),
        (fallback("\"failed\"", "\"score:0.5\", \"pause\""), "fallback.then", "steps follow"),
        (fallback("\"failed\"", "\"timeouts\""), "fallback.then", "came too late"),
        (fallback("\"refused\"", "\"pause\""), "fallback.then", "for good"),
        (fallback("\"refused\"", "\"retry_later\""), "fallback.then", "refuses again"),
        (fallback("\"late\"", "\"score:0.5\""), "fallback.on", "deadline.then"),
        (fallback("\"timed_out\"", "\"score:0.5\""), "fallback.on", "model.timeout_ms"),
        ("[fallback]\non = [\"failed\"]\n".to_owned(), "fallback.on", "without fallback.then"),
        ("[fallback]\nthen = [\"pause\"]\n".to_owned(), "fallback.then", "without fallback.on"),
        ("[deadline]\nthen = \"shed\"\n".to_owned(), "deadline.then", "deadline.limit_ms"),
    ];
    for (text, key, says) in wrong {
        let problems = bench.load(&format!("{MINIMAL}{text}"), &[], &[]).unwrap_err().problems;
        let problem = of(&problems, key);
        assert!(problem.what.contains(says) || problem.fix.contains(says), "{text}: {problems:#?}");
        assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
    }
    let five = ["\"package:a\""; 4].join(", ");
    let text = fallback("\"failed\"", &format!("{five}, \"pause\""));
    let problems = bench.load(&format!("{MINIMAL}{text}"), &[], &[]).unwrap_err().problems;
    assert!(of(&problems, "fallback.then").what.contains("4 are the most"), "{problems:#?}");
}

#[test]
fn a_lane_that_calls_its_model_itself_has_no_time_out() {
    let bench = Bench::new();
    let env = [("SCOREWIRE__MODEL__TIMEOUT_MS", "50")];
    let problems = bench.load(MINIMAL, &env, &[]).unwrap_err().problems;
    let problem = of(&problems, "model.timeout_ms");
    assert!(problem.what.contains("cannot interrupt") && problem.fix.contains("dedicated"), "{problems:#?}");
    let text = format!("{MINIMAL}[lanes]\nlayout = \"dedicated\"\n");
    assert!(bench.load(&text, &env, &[]).is_ok());
}
