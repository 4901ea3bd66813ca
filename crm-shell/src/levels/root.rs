//! The outermost level.

use crate::levels::{foresight, report};
use crate::session::{Call, Outcome, Session};
use crate::table::{Action, Argument, Command, Level};

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "configure",
        "configure [<command>]",
        "edit the configuration of the cluster",
        (0, None),
        &[],
        Action::Level(Level::Configure),
    )
    .aliases(&["cfg"]),
    Command::new(
        "resource",
        "resource [<command>]",
        "start, stop, move and look at resources",
        (0, None),
        &[],
        Action::Level(Level::Resource),
    )
    .aliases(&["rsc"]),
    Command::new(
        "node",
        "node [<command>]",
        "standby, maintenance, fencing and attributes of nodes",
        (0, None),
        &[],
        Action::Level(Level::Node),
    ),
    Command::new(
        "cluster",
        "cluster [<command>]",
        "start, stop and check the cluster on this node",
        (0, None),
        &[],
        Action::Level(Level::Cluster),
    ),
    Command::new(
        "cib",
        "cib [<command>]",
        "copies of the configuration to try things on",
        (0, None),
        &[],
        Action::Level(Level::Cib),
    ),
    Command::new(
        "ra",
        "ra [<command>]",
        "the agents of this machine and their parameters",
        (0, None),
        &[],
        Action::Level(Level::Ra),
    ),
    Command::new(
        "options",
        "options [<command>]",
        "settings of this shell",
        (0, None),
        &[],
        Action::Level(Level::Options),
    ),
    Command::new(
        "maintenance",
        "maintenance [<command>]",
        "leave resources alone while you work on them",
        (0, None),
        &[],
        Action::Level(Level::Maintenance),
    ),
    Command::new(
        "site",
        "site [<command>]",
        "tickets that allow a site to run resources",
        (0, None),
        &[],
        Action::Level(Level::Site),
    ),
    Command::new(
        "corosync",
        "corosync [<command>]",
        "cluster.conf: nodes, ring and quorum",
        (0, None),
        &[],
        Action::Level(Level::Corosync),
    ),
    Command::new(
        "history",
        "history [<command>]",
        "what has happened, and what the cluster thought then",
        (0, None),
        &[],
        Action::Level(Level::History),
    ),
    Command::new(
        "script",
        "script [<command>]",
        "wizards: common configurations from a few values",
        (0, None),
        &[],
        Action::Level(Level::Script),
    )
    .aliases(&["wizard"]),
    Command::new(
        "cibstatus",
        "cibstatus [<command>]",
        "a status to try the configuration with",
        (0, None),
        &[],
        Action::Level(Level::CibStatus),
    ),
    Command::new(
        "status",
        "status [--watch | <option> ...]",
        "what is wrong, what runs where since when, and what happened last",
        (0, None),
        &[Argument::OneOf(&[
            "--watch",
            "bynode",
            "inactive",
            "ops",
            "timing",
            "failcounts",
            "verbose",
            "html",
            "xml",
            "simple",
            "tickets",
            "noheaders",
            "detail",
            "brief",
            "full",
        ])],
        Action::Run(status),
    )
    .help("Without options: trouble first, then what is under way, nodes, resources, what moves and bans left, and what happened last.\n--watch: the same as a live screen with keys to act.\nThe other options show what crm_mon shows: 'full' everything, 'inactive' what does not run too, 'bynode' by node, 'ops' and 'timing' the operations, 'xml', 'html' and 'simple' for programs."),
    Command::new(
        "why",
        "why {<rsc> [<node>] | <node>}",
        "why something is where it is, and what will be done about it",
        (1, Some(2)),
        &[Argument::Resource, Argument::Node],
        Action::Run(foresight::why),
    ),
    Command::new(
        "simulate",
        "simulate {node-loss <node> ... | node-up <node> ... | failure <rsc> [<node>] | quorum-loss}",
        "what would happen, and where everything would run then",
        (1, None),
        &[Argument::OneOf(&["node-loss", "node-up", "failure", "quorum-loss"]), Argument::Node],
        Action::Run(foresight::simulate),
    ),
    Command::new(
        "lint",
        "lint",
        "look for classic traps in the configuration",
        (0, Some(0)),
        &[],
        Action::Run(foresight::lint),
    ),
    Command::new(
        "verify",
        "verify",
        "check the configuration in force",
        (0, None),
        &[],
        Action::Run(verify),
    ),
    Command::new(
        "report",
        "report [-f <from>] [-t <to>] [-d] [<name>]",
        "collect what this node knows, for support and for 'history source'",
        (0, None),
        &[Argument::File],
        Action::Run(report::report),
    )
    .help(
        "Makes NAME.tar.gz (another ending, such as .tar.xz, packs otherwise; -d makes a directory): configuration\n\
         and status, events, transition inputs, cluster.conf, the log, versions and agents. Passwords are masked, the\n\
         key is never in it. Of this node only: run it on each, and put the directories side by side.\n\
         Times as in 'history limit': '2026-11-20 14:30', '14:30', 2h, 3d.",
    ),
];

fn status(session: &mut Session, call: &Call<'_>) -> Outcome {
    crate::editor::settle(session)?;
    crate::status::print(session, &call.texts())
}

fn verify(session: &mut Session, _call: &Call<'_>) -> Outcome {
    crate::levels::configure::verify_all(session)
}
