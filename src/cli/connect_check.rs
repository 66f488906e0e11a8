//! `scorewire config check --connect`: what the cluster says of this configuration, point by point.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::output;
use crate::avro::plan::Plan;
use crate::avro::schemas::key_text;
use crate::config::{Config, DeliveryMode};
use crate::error::{Fatal, exit};
use crate::kafka::cluster::examine::{self, examine};
use crate::model::Package;
use crate::node;
use crate::registry;
use crate::registry::client::Client;
use crate::registry::examine::Newest;
use crate::values::finding::{Finding, Verdict};

/// Looks at the cluster and prints each point.
///
/// # Errors
/// [`exit::CONFIG`] where the client does not start with its settings; [`exit::UNAVAILABLE`] where a point is a problem.
pub fn execute(config: &Config, package: Option<&Package>, timeout: Duration) -> Result<(), Fatal> {
    let of_registry = registry(config, package)?;
    let mut findings = examine(&examine::Plan {
        settings: &config.kafka,
        topics: &config.topics,
        exactly_once: config.delivery == DeliveryMode::ExactlyOnce,
        needs: config.needs(),
        outcome_bytes: config.limits.outcome_bytes_max as u64,
        timeout,
    })?;
    findings.extend(of_registry);
    output::print(&report(&findings))?;
    let problems = findings.iter().filter(|finding| finding.verdict == Verdict::Problem).count();
    if problems == 0 {
        return Ok(());
    }
    let plural = if problems == 1 { "" } else { "s" };
    Err(Fatal::new(
        exit::UNAVAILABLE,
        format!("the cluster does not hold: {problems} problem{plural}"),
        "mend each point above that says problem, by its own fix",
    ))
}

/// What the schema registry says, where one is configured.
fn registry(config: &Config, package: Option<&Package>) -> Result<Vec<Finding>, Fatal> {
    let Some(settings) = &config.schemas.registry else { return Ok(Vec::new()) };
    let client = Arc::new(Client::new(settings)?);
    let own = node::newest_schemas(settings, &config.topics, config.needs().challenges);
    let (mut findings, newest) = registry::examine::examine(&client, config.topics.input(), &own);
    findings.extend(newest.zip(package).map(|(newest, package)| fit(&newest, package)));
    Ok(findings)
}

/// Whether the model reads what producers write now.
fn fit(newest: &Newest, package: &Package) -> Finding {
    let Newest { key, subject, schema } = newest;
    let schema_id = key_text(*key);
    match Plan::compile(schema, &package.reader, &package.wanted) {
        Ok(plan) if plan.never_given().is_empty() => Finding::ok(format!("{subject}: {schema_id} fits the model")),
        Ok(plan) => Finding::warning(
            format!("{subject}: {schema_id} never gives {}", plan.never_given().join(", ")),
            "where a field was renamed, add an alias to the package's reader schema",
        ),
        Err(error) => Finding::problem(
            format!("{subject}: records of {schema_id} are dead letters: {}: {}", error.place, error.what),
            error.fix,
        ),
    }
}

fn report(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { verdict, what, fix } in findings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<8} {what}", verdict.name());
        if let Some(fix) = fix {
            let _ = writeln!(text, "           fix: {fix}");
        }
    }
    let count = |verdict: Verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (problems, warnings) = (count(Verdict::Problem), count(Verdict::Warning));
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let _ = match (problems, warnings) {
        (0, 0) => writeln!(text, "the cluster holds"),
        (0, _) => writeln!(text, "the cluster holds, with {warnings} warning{}", plural(warnings)),
        _ => writeln!(text, "{problems} problem{}, {warnings} warning{}", plural(problems), plural(warnings)),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_has_its_verdict_and_a_problem_its_fix() {
        let finding = |verdict, what: &str, fix: Option<&str>| Finding {
            verdict,
            what: what.to_owned(),
            fix: fix.map(str::to_owned),
        };
        let findings = [
            finding(Verdict::Ok, "Kafka answers", None),
            finding(Verdict::Warning, "one replica", Some("create it anew")),
            finding(Verdict::Problem, "no topic", Some("create it")),
        ];
        assert_eq!(
            report(&findings),
            "ok       Kafka answers\nwarning  one replica\n           fix: create it anew\nproblem  no topic\n           fix: create it\n\
             1 problem, 1 warning\n"
        );
        assert!(report(&findings[..1]).ends_with("the cluster holds\n"));
        assert!(report(&findings[..2]).ends_with("the cluster holds, with 1 warning\n"));
    }
}
