//! Arguments of `fnlocal promote`.

use std::path::PathBuf;

/// Shown below the options.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal promote                              build, show what would change, ask, do it
  fnlocal promote --env prod --plan            show only: ends with 3 if something would change
  fnlocal promote --env prod --yes             for pipelines: nobody is asked
  fnlocal promote --plan --plan-file plan.json && fnlocal promote --plan-file plan.json --yes
  fnlocal promote --env prod --release 3f9a01bc
  fnlocal promote --plan --json | jq '.steps[].reason'

The least it needs to be allowed to do stands in cloud/policy/promote.json.";

/// Arguments of `fnlocal promote`.
#[derive(Debug, clap::Args)]
pub struct PromoteArgs {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The environment: [env.NAME] of fnlocal.toml [default: the only one there].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Show what would be done and do nothing. Ends with 0 if nothing would change, else with 3.
    #[arg(long)]
    pub plan: bool,
    /// With --plan, write the plan to this file; without, carry out exactly the plan in it.
    #[arg(long, value_name = "FILE")]
    pub plan_file: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long, conflicts_with = "plan")]
    pub yes: bool,
    /// A kept release: a file, or the beginning of its digest [default: built anew].
    #[arg(long)]
    pub release: Option<String>,
    /// Replace nodes by such as the newest machine image and base, even if nothing else changes.
    #[arg(long)]
    pub renew: bool,
    /// The `fnlocal` that nodes run, when this one is not for Linux and their processor.
    #[arg(long, value_name = "FILE", env = "FNLOCAL_NODE_BINARY")]
    pub node_binary: Option<PathBuf>,
    /// Print the plan, and what became of it, as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
