//! Arguments of `fnlocal promote`.

use std::path::PathBuf;

/// Shown below the options.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal promote                              build, show the plan, ask, apply the plan
  fnlocal promote --env prod --plan            show the plan only; exits 3 if it has changes
  fnlocal promote --env prod --yes             apply without asking, for pipelines
  fnlocal promote --plan --plan-file plan.json && fnlocal promote --plan-file plan.json --yes
  fnlocal promote --env prod --release 3f9a01bc
  fnlocal promote --plan --json | jq '.steps[].reason'

The minimum permissions are in cloud/policy/promote.json.";

/// Arguments of `fnlocal promote`.
#[derive(Debug, clap::Args)]
pub struct PromoteArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The environment: [env.NAME] of fnlocal.toml [default: the only one there].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Show the plan and change nothing. Exits 0 if nothing would change, else 3.
    #[arg(long)]
    pub plan: bool,
    /// With --plan, write the plan to this file; without --plan, apply the plan in the file.
    #[arg(long, value_name = "FILE")]
    pub plan_file: Option<PathBuf>,
    /// Apply without asking.
    #[arg(short, long, conflicts_with = "plan")]
    pub yes: bool,
    /// The release: a file, or the beginning of a digest [default: build a new one].
    #[arg(long)]
    pub release: Option<String>,
    /// Replace all nodes to take up the newest machine and base images.
    #[arg(long)]
    pub renew: bool,
    /// The `fnlocal` binary for nodes, if this one is for another system or processor.
    #[arg(long, value_name = "FILE", env = "FNLOCAL_NODE_BINARY")]
    pub node_binary: Option<PathBuf>,
    /// Print the plan and its result as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
