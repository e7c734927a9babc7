//! What a scenario came to: written by the guest, completed and shown by the host.

use serde_json::{json, Map, Value};

/// Fields that every result has, whether or not the scenario measures them. Points are levels of the JSON object.
const FIELDS: [&str; 20] = [
    "scenario",
    "passed",
    "failure",
    "kernel",
    "seconds",
    "up_ms",
    "connected_ms",
    "ping.lost",
    "ping.first_ms",
    "tcp_down_mbit",
    "tcp_up_mbit",
    "udp_down_mbit",
    "udp_up_mbit",
    "bus.commands_per_frame",
    "bus.frames_per_burst",
    "events.tasklets",
    "events.work_per_1000_frames",
    "cpu_us_per_frame",
    "dmesg.warnings",
    "dmesg.first",
];

/// The result of one scenario.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report(Value);

impl Report {
    /// A result with nothing measured yet.
    pub(crate) fn new(scenario: &str, kernel: &str) -> Self {
        let mut report = Self(Value::Object(Map::new()));
        for field in FIELDS {
            report.set(field, Value::Null);
        }
        report.set("scenario", scenario);
        report.set("kernel", kernel);
        report.set("passed", false);
        report
    }

    /// Reads what a guest wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        value["scenario"].is_string().then_some(Self(value))
    }

    /// Sets a field; `a.b` is the field `b` of the object `a`.
    pub(crate) fn set(&mut self, path: &str, value: impl Into<Value>) {
        let mut place = &mut self.0;
        for name in path.split('.') {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[name];
        }
        *place = value.into();
    }

    /// Sets a number with the digits that mean something.
    pub(crate) fn number(&mut self, path: &str, value: f64) {
        let scale = if value.abs() < 10.0 { 1000.0 } else { 10.0 };
        self.set(path, (value * scale).round() / scale);
    }

    /// A field; null if there is none.
    pub(crate) fn field(&self, path: &str) -> &Value {
        path.split('.').fold(&self.0, |place, name| &place[name])
    }

    /// Whether everything was as it should.
    pub(crate) fn passed(&self) -> bool {
        self.field("passed") == &Value::Bool(true)
    }

    /// Fails it; the first reason stays.
    pub(crate) fn fail(&mut self, why: &str) {
        self.set("passed", false);
        if self.field("failure").is_null() {
            self.set("failure", why);
        }
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> &Value {
        &self.0
    }

    /// Lines for people: what was measured, nothing that was not.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{:<6} {:<12} {:<8} {:>6} s",
            if self.passed() { "ok" } else { "FAILED" },
            self.field("scenario").as_str().unwrap_or(""),
            self.field("kernel").as_str().unwrap_or(""),
            self.field("seconds")
        );
        let mut measured = Vec::new();
        flatten("", &self.0, &mut measured);
        for (name, value) in measured {
            let known =
                ["scenario", "passed", "kernel", "seconds", "failure"].contains(&name.as_str());
            if !known && !name.contains('.') || name.starts_with("ping.") {
                text.push_str(&format!("  {name} {value}"));
            }
        }
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        let mut measured = Vec::new();
        flatten("", &self.0, &mut measured);
        for (name, value) in measured {
            if let Some((group, rest)) = name.split_once('.') {
                let quiet = group == "ping" || (name == "dmesg.warnings" && value == "0");
                if quiet {
                    continue;
                }
                let entry = format!("{rest} {value}");
                match groups.iter_mut().find(|(known, _)| known == group) {
                    Some((_, entries)) => entries.push(entry),
                    None => groups.push((group.to_owned(), vec![entry])),
                }
            }
        }
        for (group, entries) in groups {
            text.push_str(&format!("\n       {group}: {}", entries.join(", ")));
        }
        if let Some(why) = self.field("failure").as_str() {
            text.push_str(&format!(
                "\n       why: {}",
                why.replace('\n', "\n            ")
            ));
        }
        text
    }
}

fn flatten(prefix: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (name, value) in map {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                flatten(&path, value, into);
            }
        }
        Value::String(text) => into.push((prefix.to_owned(), text.clone())),
        other => into.push((prefix.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_there_before_anything_is_measured() {
        let report = Report::new("wpa2", "release");
        assert_eq!(report.json()["ping"]["lost"], Value::Null);
        assert!(report.json()["bus"].get("commands_per_frame").is_some());
        assert_eq!(report.json()["dmesg"].get("warnings"), Some(&Value::Null));
        assert!(!report.passed());
    }

    #[test]
    fn points_are_levels_and_numbers_are_rounded() {
        let mut report = Report::new("throughput", "release");
        report.number("bus.commands_per_frame", 0.131_99);
        report.number("tcp_up_mbit", 61.234_5);
        assert_eq!(report.json()["bus"]["commands_per_frame"], json!(0.132));
        assert_eq!(report.json()["tcp_up_mbit"], json!(61.2));
    }

    #[test]
    fn the_first_reason_stays() {
        let mut report = Report::new("gone", "debug");
        report.set("passed", true);
        report.fail("no interface");
        report.fail("and something else");
        assert!(!report.passed());
        assert_eq!(report.field("failure"), "no interface");
        let text = report.text();
        assert!(text.starts_with("FAILED gone") && text.contains("why: no interface"));
    }

    #[test]
    fn what_a_guest_wrote_is_read_again() {
        let mut report = Report::new("scan", "release");
        report.set("passed", true);
        assert_eq!(Report::read(&report.json().to_string()), Some(report));
        assert_eq!(Report::read("{\"scenario\": 1}"), None);
        assert_eq!(Report::read("half a li"), None);
    }

    #[test]
    fn people_see_only_what_was_measured() {
        let mut report = Report::new("wpa2", "release");
        report.set("passed", true);
        report.set("seconds", 3.1);
        report.set("ping.lost", 0);
        report.set("dmesg.warnings", 0);
        report.set("connected_ms", 412);
        let text = report.text();
        assert!(text.starts_with("ok     wpa2") && text.contains("connected_ms 412"));
        assert!(text.contains("ping.lost 0") && !text.contains("tcp") && !text.contains("dmesg"));
    }
}
