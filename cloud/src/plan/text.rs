//! A plan for people.

use std::fmt;

use serde_json::Value;

use super::{Action, FieldChange, Plan, PlanStep};

/// The maximum number of letters of a value that is shown.
const MAX_SHOWN_CHARS: usize = 70;

impl fmt::Display for Plan {
    /// The plan as a diff: `+` is made, `~` is changed, `±` is replaced, `-` is deleted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, place) = (&self.names, &self.place);
        let (project, env) = (names.project(), names.env());
        writeln!(
            f,
            "{project} → {env} ({}, account {})",
            place.region, place.account
        )?;
        writeln!(f)?;
        if self.steps.is_empty() {
            writeln!(f, "no changes")?;
        }
        for step in &self.steps {
            step.fmt(f)?;
        }
        let count = |action| {
            self.steps
                .iter()
                .filter(|step| step.action == action)
                .count()
        };
        if !self.steps.is_empty() {
            writeln!(
                f,
                "\n{} to create, {} to change, {} to replace, {} to delete",
                count(Action::Create),
                count(Action::Change),
                count(Action::Replace),
                count(Action::Delete)
            )?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        match &self.cost {
            Some(cost) if !self.steps.is_empty() => write!(f, "\n{cost}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for PlanStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Create => '+',
            Action::Change => '~',
            Action::Replace => '±',
            Action::Delete => '-',
        };
        let key = self.resource.key();
        let (noun, name) = (key.kind.noun(), key.short_name());
        match self.action {
            // That it is missing goes without saying.
            Action::Create => writeln!(f, "  {sign} {noun} {name}")?,
            _ => writeln!(f, "  {sign} {noun} {name}: {}", self.reason)?,
        }
        for FieldChange { field, from, to } in &self.changes {
            writeln!(f, "      {field}: {} → {}", shown(from), shown(to))?;
        }
        Ok(())
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains('\n') {
        return format!("({} lines)", text.lines().count());
    }
    if text.chars().count() <= MAX_SHOWN_CHARS {
        return text;
    }
    let begin: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    format!("{begin}…")
}
