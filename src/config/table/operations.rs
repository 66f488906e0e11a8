//! `[node]`, `[admin]` and `[log]`.

use std::net::SocketAddr;

use super::draft::Draft;
use super::key::{Given, Key, Reread, Section, apart};
use super::kinds::{OwnKind, Path, Place, Text, Word, Words, any_path};
use crate::config::read::Reader;
use crate::observe::log::LogFormat;

const LOG_FORMATS: Words<LogFormat> = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

pub const NODE: Section = Section {
    head: "\n\n[node]",
    keys: &[Key {
        name: "node.state_directory",
        kind: &Path { place: Place::Maybe(|draft| &mut draft.config.state_directory), check: any_path },
        given: Given::Maybe(r#""/var/lib/scorewire""#),
        reread: Reread::AtStart,
        text: r#"
# A folder of this node, made with mode 0700 where it is missing; one process of each kafka.node uses it at a time. It holds
# marks of the records in work, so that a record that ends the process is found after limits.crashes_max crashes. Default:
# systemd's (StateDirectory=, $STATE_DIRECTORY). Without one such a record ends each process that meets it. The node's socket
# for `scorewire skip` and `scorewire seek` is there too."#,
    }],
    finish: apart,
};

pub const ADMIN: Section = Section {
    head: "\n\n[admin]",
    keys: &[Key {
        name: "admin.listen",
        kind: &OwnKind {
            read: listen,
            show: |draft| {
                draft.config.admin_listen.map_or_else(|| "off".to_owned(), |address| address.to_string()).into()
            },
        },
        given: Given::Default,
        reread: Reread::AtStart,
        text: r#"
# /metrics, /livez, /readyz, /status and / (which lists them) as ADDRESS:PORT, without authentication; "off": no HTTP. At most
# 256 connections at once, an eighth of the process's descriptors at most: one more takes the place of the one that has been
# idle for longest."#,
    }],
    finish: apart,
};

pub const LOG: Section = Section {
    head: "\n\n[log]",
    keys: &[
        Key {
            name: "log.format",
            kind: &Word { words: LOG_FORMATS, place: Place::Always(|draft| &mut draft.config.log.format) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# "text" or "json", on stderr; json holds for all that `run` and `load` say there, whatever ends them. No payload value is ever
# logged."#,
        },
        Key {
            name: "log.level",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.log.level), check: level },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# error, warn, info, debug or trace; or directives with commas: "info,scorewire::kafka=debug"."#,
        },
    ],
    finish: apart,
};

fn listen(reader: &mut Reader<'_>, key: &'static str, draft: &mut Draft) {
    if let Some(listen) = reader.text(key) {
        draft.config.admin_listen = match (listen.as_str(), listen.parse::<SocketAddr>()) {
            ("off", _) => None,
            (_, Ok(address)) => Some(address),
            (_, Err(_)) => {
                let what = format!("{listen:?} is not ADDRESS:PORT");
                reader.problem(key, what, "give an IP address and port, such as 127.0.0.1:9464, or \"off\"");
                None
            }
        };
    }
    if let Some(address) = draft.config.admin_listen.filter(|address| !address.ip().is_loopback()) {
        reader.warnings.push(format!("{key}: {address} is open to the network, without authentication"));
    }
}

fn level(reader: &mut Reader<'_>, key: &'static str, level: &str) -> bool {
    let wrong = crate::observe::log::filter(level).err();
    if let Some(error) = &wrong {
        let what = format!("{level:?} is no log filter: {error}");
        reader.problem(key, what, "give error, warn, info, debug or trace, or target=level with commas");
    }
    wrong.is_none()
}
