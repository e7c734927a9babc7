//! Two simulated radios and no driver. It shows that the laboratory itself works, and what the machine can do: no
//! scenario with the driver can be faster than this one.

use crate::lab::guest::measure::{ping, warm_up, Flow, Server};
use crate::lab::guest::network::{
    interface_of, phys, AccessPoint, Network, Radios, Security, Station,
};
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use std::time::Duration;

const NETWORKS: [Network; 4] = [
    Network::new("bes-open", Security::Open, 6),
    Network::new("bes-wpa2", Security::Wpa2, 11),
    Network::new("bes-wpa3", Security::Wpa3, 1),
    Network::new("bes-wpa3-5g", Security::Wpa3, 36).wide(),
];

pub(crate) fn play(lab: &mut Lab<'_>) -> Result<()> {
    lab.step("load the simulated radios");
    let radios = Radios::load(2, 1)?;
    let phy = phys().into_iter().next().context("no radio is left")?;
    let interface = interface_of(&phy).context("the radio has no interface")?;
    let mut lost = 0;
    for network in NETWORKS {
        lab.step(&format!("{}: access point", network.ssid));
        let access_point = AccessPoint::start(0, &radios.interfaces[0], &network)?;
        lab.step(&format!("{}: connect", network.ssid));
        let mut station = Station::start(&interface, &network, &[network.megahertz()])?;
        let time = station.connect(lab.job.limit(20))?;
        ensure!(
            station.status("bssid")? == access_point.bssid,
            "connected to somebody else"
        );
        lab.report.number("connected_ms", time.as_secs_f64() * 1e3);
        lab.step(&format!("{}: ping", network.ssid));
        warm_up()?;
        let found = ping(20, Duration::from_millis(50))?;
        lost += found.lost;
        if network.security == Security::Wpa2 && lab.job.slowness == 1 {
            lab.step("iperf3");
            let server = Server::start()?;
            for (field, flow) in [
                ("tcp_down_mbit", Flow::TCP_DOWN),
                ("tcp_up_mbit", Flow::TCP_UP),
                ("udp_down_mbit", Flow::udp(true, 400)),
                ("udp_up_mbit", Flow::udp(false, 400)),
            ] {
                let mbit = flow.measure(3)?;
                lab.report.number(field, mbit);
            }
            server.stop()?;
        }
        station.stop(lab.job.limit(10))?;
    }
    lab.report.set("ping.lost", lost);
    ensure!(lost == 0, "{lost} requests of ping were lost");
    Ok(())
}
