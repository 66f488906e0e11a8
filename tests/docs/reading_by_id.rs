//! docs/reading-outputs.md, with a schema registry: its Python with Confluent's deserializer and its plain Java read the same
//! outputs.

use std::collections::BTreeSet;
use std::process::Command;

use crate::common::registry::RealRegistry;
use crate::common::{Job, RealKafka, Transactions};
use crate::reading_outputs::{jars, java_line, place_and_score, said};
use crate::support::{Page, python};
use scorewire::load::simulate::payloads::Framing;
use serde_json::Value as Json;

#[test]
fn python_and_java_of_the_page_decode_outputs_by_the_registrys_ids() {
    let (Some(kafka), Some(registry), Some(python)) = (RealKafka::connect(), RealRegistry::connect(), python()) else {
        return;
    };
    let job = Job::new(&kafka, "reading-ids", 2);
    kafka.produce(&job.input, &Transactions::new(Framing::SingleObject).spread(50, 2));
    let url = format!("schemas.registry.urls={}", registry.url());
    let kept = format!("schemas.registry.cache_dir={}", job.folder().join("kept").display());
    let finished = job.run_until_end(&[&url, &kept, "schemas.registry.auto_register=true"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);

    let page = Page::read("docs/reading-outputs.md");
    let ([_, script, _], [_, program]) = (&page.blocks("python")[..], &page.blocks("java")[..]) else {
        panic!("blocks")
    };
    let args = [kafka.bootstrap(), &registry.url(), &job.outputs];
    let lines = said(Command::new(&python).args(["-B", "-c", script]).args(args));
    let outputs: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(outputs.len(), 50);
    std::fs::write(job.folder().join("ReadOutputsById.java"), program).unwrap();
    let classes = format!("{}/*", jars());
    let run = ["-cp", &classes, "ReadOutputsById.java"];
    let by_java = said(Command::new("java").current_dir(job.folder()).args(run).args(args));
    let by_java: BTreeSet<_> = by_java.lines().map(java_line).collect();
    assert_eq!(by_java, outputs.iter().map(place_and_score).collect());
}
