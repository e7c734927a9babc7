//! The page.

use crate::report::chart::{lines, Line};
use crate::report::measure::{Figures, Point};
use anyhow::Result;
use maud::{html, Markup, PreEscaped, DOCTYPE};
use serde_json::Value;

/// Whether less or more is better.
#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Wanted {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {least}"),
            Self::AtMost(most) => format!("at most {most}"),
        }
    }
}

/// Figures of the C driver on an emulated chip (specification: file 50, section 2): settings, commands for each data
/// frame up and down, guest CPU for each data frame up and down in microseconds.
const C_DRIVER: [(&str, &str, &str, &str); 3] = [
    (
        "no bus model",
        "0.91 to 1.21 / 0.19",
        "10.6 to 13.1 / 11",
        "890 to 1100 / 1040 to 1090",
    ),
    (
        "bus 50 MHz, 4 bit, 20 us per command",
        "0.32 / 0.14",
        "30.5 / 19.6",
        "117 / 130",
    ),
    (
        "the same, air at 150 Mbit/s",
        "0.72 / 0.65",
        "44.8 / 40.2",
        "93 / 104",
    ),
];

/// Builds the page. Everything it shows is inside it.
pub(crate) fn page(figures: &Figures) -> Result<String> {
    let body = html! {
        h1 { "BES2600 driver: figures" }
        p { "Every figure here was measured for this page. No hardware has been tried: driver and protocol run on an "
            "emulated chip. Virtual time and instruction counts are the same on every machine." }
        p { (machine(&figures.bench)) }
        h2 { "Goals" }
        (goals(figures))
        h2 { "Size of frames" }
        p { code { "bes-sim bench --msdu N" } ": saturated transfers, the air does not limit." }
        (svg(&lines("bytes of an MSDU", "MiB/s", &[
            series("download", &figures.sizes, "/rx/mib_per_s"),
            series("upload", &figures.sizes, "/tx/mib_per_s"),
        ])?))
        (svg(&lines("bytes of an MSDU", "bus commands for each frame", &[
            series("download", &figures.sizes, "/rx/bus_commands_per_frame"),
            series("upload", &figures.sizes, "/tx/bus_commands_per_frame"),
        ])?))
        h2 { "Cards" }
        p { code { "bes-sim chips N" } ": boot, join and both transfers on N cards in one process." }
        (cards(figures)?)
        h2 { "Access points in range" }
        p { code { "bes-sim bench --access-points N" } ": scan of the 2.4 GHz band, then saturated transfers." }
        (svg(&lines("access points", "MiB/s", &[
            series("download", &figures.access_points, "/rx/mib_per_s"),
            series("upload", &figures.access_points, "/tx/mib_per_s"),
        ])?))
        (svg(&lines("access points", "milliseconds of a scan", &[
            series("scan", &figures.access_points, "/scan/virtual_ms"),
        ])?))
        h2 { "An hour of traffic" }
        (soaks(&figures.soaks)?)
        h2 { "In a real kernel" }
        (lab(figures.lab.as_ref()))
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "BES2600 driver: figures" }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    Ok(page.into_string())
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .8rem;border-bottom:1px solid #ddd;text-align:right}\
th:first-child,td:first-child{text-align:left}.met{color:#07703f}.missed{color:#b00020;font-weight:600}\
code{background:#f3f3f3;padding:0 .2rem}svg{max-width:100%;height:auto;display:block;margin:1rem 0}";

fn svg(text: &str) -> Markup {
    html! { (PreEscaped(text)) }
}

fn series(name: &str, points: &[Point], pointer: &str) -> Line {
    Line::new(
        name,
        points
            .iter()
            .filter_map(|point| Some((point.at, point.number(pointer)?))),
    )
}

fn machine(bench: &Value) -> Markup {
    let text = |name: &str| {
        let value = &bench["machine"][name];
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    html! { "Machine: " (text("cpu")) ", " (text("cores")) " cores, " (text("compiler")) "." }
}

fn goals(figures: &Figures) -> Markup {
    let bench = |pointer: &str| figures.bench.pointer(pointer).and_then(Value::as_f64);
    let without_fault = figures.soaks.iter().find(|soak| soak.at == 0.0);
    let rows = [
        (
            "download, share of the raw bus",
            bench("/rx/bus_efficiency"),
            Wanted::AtLeast(0.92),
        ),
        (
            "upload, share of the raw bus",
            bench("/tx/bus_efficiency"),
            Wanted::AtLeast(0.86),
        ),
        (
            "bus commands for each received frame",
            bench("/rx/bus_commands_per_frame"),
            Wanted::AtMost(0.2),
        ),
        (
            "instructions for each received frame",
            bench("/rx/instructions_per_frame"),
            Wanted::AtMost(500.0),
        ),
        (
            "instructions for each transmitted frame, its confirm included",
            bench("/tx/instructions_per_frame"),
            Wanted::AtMost(800.0),
        ),
        (
            "an hour without a fault: worst minute over mean",
            without_fault.and_then(|soak| soak.number("/throughput/min_over_mean")),
            Wanted::AtLeast(0.95),
        ),
    ];
    html! {
        table {
            tr { th { "figure" } th { "measured" } th { "wanted" } th { } }
            @for (name, value, wanted) in rows {
                tr {
                    td { (name) }
                    @match value {
                        Some(value) => {
                            td { (rounded(value)) }
                            td { (wanted.text()) }
                            @if wanted.is_met_by(value) { td.met { "met" } } @else { td.missed { "missed" } }
                        }
                        None => { td { "not measured" } td { (wanted.text()) } td { } }
                    }
                }
            }
        }
    }
}

fn rounded(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

fn cards(figures: &Figures) -> Result<Markup> {
    let instructions = Line::new(
        "driver",
        figures
            .cards
            .iter()
            .filter_map(|point| Some((point.at, point.instructions? / point.at / 1e6))),
    );
    let slowest = Line::new(
        "slowest card, download",
        figures.cards.iter().filter_map(|point| {
            let cards = point.result["per_chip"].as_array()?;
            let least = cards
                .iter()
                .filter_map(|card| card["rx"]["mib_per_s"].as_f64())
                .fold(f64::INFINITY, f64::min);
            Some((point.at, least))
        }),
    );
    let counted = !instructions.points.is_empty();
    Ok(html! {
        @if counted {
            (svg(&lines("cards", "million instructions of the driver for each card", &[instructions])?))
        }
        (svg(&lines("cards", "MiB/s", &[slowest])?))
    })
}

fn soaks(points: &[Point]) -> Result<Markup> {
    if points.is_empty() {
        return Ok(html! { p { "Not measured (" code { "--quick" } ")." } });
    }
    let curves: Vec<Line> = points
        .iter()
        .map(|point| {
            let minutes = point.result["throughput"]["per_minute"].as_array();
            Line::new(
                candidate(point.at),
                minutes
                    .into_iter()
                    .flatten()
                    .zip(1_u32..)
                    .filter_map(|(rate, minute)| Some((f64::from(minute), rate.as_f64()?))),
            )
        })
        .collect();
    Ok(html! {
        p { code { "bes-sim soak --minutes 60 --scan-every 300 [--fault N]" } ": the fault candidates are those for the "
            "throughput that collapses with uptime." }
        (svg(&lines("virtual minutes", "MiB/s", &curves)?))
        table {
            tr { th { "fault" } th { "diagnosis" } th { "throughput kept" } th { "worst minute over mean" } th { "frames lost" } th { "recoveries" } }
            @for point in points {
                tr {
                    td { (candidate(point.at)) }
                    @for pointer in ["/diagnosis", "/throughput/kept", "/throughput/min_over_mean", "/frames/lost", "/recoveries"] {
                        td { (point.number(pointer).map_or_else(|| "-".to_owned(), |value| if value.fract() == 0.0 { format!("{value}") } else { rounded(value) })) }
                    }
                }
            }
        }
    })
}

fn candidate(number: f64) -> String {
    if number == 0.0 {
        "none".to_owned()
    } else {
        format!("candidate {number}")
    }
}

fn lab(result: Option<&Value>) -> Markup {
    let Some(result) = result else {
        return html! { p { "Not measured: run " code { "cargo xtask report --lab" } "." } };
    };
    let mut rows = Vec::new();
    flatten("", result, &mut rows);
    html! {
        p { code { "cargo xtask lab throughput" } ": user-mode Linux, stock " code { "hostapd" } ", "
            code { "wpa_supplicant" } " and " code { "iperf3" } ". These figures depend on the machine." }
        table {
            @for (name, value) in &rows { tr { td { (name) } td { (value) } } }
        }
        p { "The C driver on another emulated chip in the same kind of kernel, as it was measured once. Its chip, its air "
            "and its machine were others, so compare the figures that count things before those that time them." }
        table {
            tr { th { "settings" } th { "commands for each frame, up / down" } th { "guest CPU us for each frame, up / down" } th { "TCP Mbit/s, up / down" } }
            @for (settings, commands, cpu, tcp) in C_DRIVER {
                tr { td { (settings) } td { (commands) } td { (cpu) } td { (tcp) } }
            }
        }
    }
}

/// Numbers and texts with their paths, in the order of the names.
fn flatten(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, rows);
            }
        }
        Value::Null => {}
        Value::String(text) => rows.push((path.to_owned(), text.clone())),
        other => rows.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn figures() -> Figures {
        let point = |at: f64, result: Value| Point {
            at,
            result,
            instructions: Some(at * 2e6),
        };
        Figures {
            bench: json!({
                "machine": { "cpu": "a <b>", "cores": 2, "compiler": "rustc" },
                "rx": { "bus_efficiency": 0.94, "instructions_per_frame": 600.0 },
            }),
            sizes: vec![point(100.0, json!({ "rx": { "mib_per_s": 3.0 } }))],
            cards: vec![point(
                2.0,
                json!({ "per_chip": [{ "rx": { "mib_per_s": 7.0 } }] }),
            )],
            access_points: Vec::new(),
            soaks: vec![point(
                4.0,
                json!({ "diagnosis": 4, "throughput": { "kept": 0.91, "per_minute": [1.0, 2.0] } }),
            )],
            lab: Some(json!({ "limits": { "air": "72.2" }, "failure": null })),
        }
    }

    #[test]
    fn a_goal_is_met_missed_or_not_measured() {
        let text = goals(&figures()).into_string();
        let row = |name: &str| {
            let start = text.find(name).unwrap();
            text[start..].split("</tr>").next().unwrap().to_owned()
        };
        assert!(row("download, share").contains("class=\"met\""));
        assert!(row("instructions for each received").contains("class=\"missed\""));
        assert!(row("upload, share").contains("not measured"));
    }

    #[test]
    fn the_page_holds_everything_and_escapes_what_it_shows() {
        let text = page(&figures()).unwrap();
        assert!(text.contains("a &lt;b&gt;"));
        assert!(text.contains("candidate 4") && text.contains("0.910"));
        assert!(text.contains("limits.air") && !text.contains("failure"));
        assert!(!text.contains("src=\"http"));
    }
}
