//! `scorewire schema register`: our schemas, under their subjects, after a look at what that would do.

use clap::Args;

use super::config_args::ConfigArgs;
use super::output;
use crate::error::{Fatal, exit};
use crate::node;
use crate::registry::client::Client;
use crate::registry::settings::OwnForm;
use crate::registry::subjects::{self, NotDone, Own, Standing};

#[derive(Args, Debug)]
pub struct RegisterArgs {
    /// Show what is registered and what is compatible, and register nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// # Errors
/// [`exit::CONFIG`] for a schema that the registry would not take, and for a registry that is only read: nothing is registered
/// then; [`exit::UNAVAILABLE`] where it does not answer.
pub fn execute(args: &RegisterArgs) -> Result<u8, Fatal> {
    let connection = args.config.load_registry()?;
    if connection.registry.outputs == OwnForm::SingleObject {
        return Err(Fatal::new(
            exit::CONFIG,
            "schemas.registry.outputs is \"single_object\": the registry is only read, and nothing was registered",
            "say \"id\" where outputs shall be written under ids of the registry; else there is nothing to do here",
        ));
    }
    let client = Client::new(&connection.registry)?;
    let all = node::newest_schemas(&connection.registry, &connection.topics, connection.challengers);
    let mut absent = Vec::new();
    let mut problems = Vec::new();
    for own in &all {
        let standing = subjects::standing(&client, own).map_err(|error| not_done(own, error))?;
        output::print(&format!("{}\n", line(own, &standing)))?;
        match standing {
            Standing::Registered { .. } => {}
            Standing::Compatible { .. } => absent.push(own),
            Standing::Incompatible(_) => problems.push(own.subject.as_str()),
        }
    }
    if !problems.is_empty() {
        return Err(Fatal::new(
            exit::CONFIG,
            format!("not compatible: {}; nothing was registered", problems.join(", ")),
            "is the subject another program's? Choose another topic or schemas.registry.subject_strategy; or look at the \
             subject's compatibility level",
        ));
    }
    if args.dry_run {
        return Ok(exit::DONE);
    }
    for own in absent {
        let id = subjects::register(&client, own).map_err(|error| not_done(own, error))?;
        output::print(&format!("{}: registered, id {id}\n", own.subject))?;
    }
    Ok(exit::DONE)
}

fn line(own: &Own, standing: &Standing) -> String {
    let Own { topic_key, subject, .. } = own;
    let says = match standing {
        Standing::Registered { id, version: Some(version) } => format!("is registered, id {id}, version {version}"),
        Standing::Registered { id, version: None } => format!("is registered, id {id}"),
        Standing::Compatible { is_first: true } => "the subject is new".to_owned(),
        Standing::Compatible { is_first: false } => "is compatible with what is registered".to_owned(),
        Standing::Incompatible(said) if said.is_empty() => "is not compatible with what is registered".to_owned(),
        Standing::Incompatible(said) => format!("is not compatible with what is registered: {}", said.join("; ")),
    };
    format!("{subject}: the schema of {topic_key}: {says}")
}

fn not_done(own: &Own, error: NotDone) -> Fatal {
    match error {
        NotDone::Away(away) => Fatal::new(exit::UNAVAILABLE, away.why, away.fix),
        NotDone::Refused(said) => {
            let what = format!("subject {}: the registry refuses: {said}", own.subject);
            Fatal::new(exit::CONFIG, what, "see the registry's own log, and the mode of the subject (READONLY?)")
        }
    }
}
