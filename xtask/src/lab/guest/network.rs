//! The networks of the laboratory: `hostapd` in a network namespace of its own, `wpa_supplicant` outside of it.

use super::control::Control;
use super::process::{run, until, Daemon};
use super::system::OUT;
use anyhow::{bail, Context, Result};
use std::fs;
use std::time::{Duration, Instant};

/// Limit of a command that only asks or sets something, on the slowest kernel and a busy machine.
pub(crate) const SHORT: Duration = Duration::from_secs(180);

/// The pass phrase of every protected network.
pub(crate) const PASSPHRASE: &str = "a-laboratory-secret";

/// The key of a WEP network: 40 bits in hexadecimal.
const WEP_KEY: &str = "0123456789";

/// How a network protects itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// Not at all.
    Open,
    /// WEP, one key for all, 40 bits.
    Wep,
    /// The first WPA, with a pass phrase, TKIP.
    Tkip,
    /// WPA2 with a pass phrase, CCMP.
    Wpa2,
    /// WPA3: SAE, protected management frames required.
    Wpa3,
}

/// One network.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    /// Its name.
    pub(crate) ssid: &'static str,
    /// How it protects itself.
    pub(crate) security: Security,
    /// 1 to 13 are 2.4 GHz.
    pub(crate) channel: u8,
    /// 40 MHz, the second channel above.
    pub(crate) wide: bool,
    /// Seconds between two changes of the pairwise key; 0 for none.
    pub(crate) rekey: u32,
    /// Beacons do not say its name.
    pub(crate) hidden: bool,
}

impl Network {
    /// A network of 20 MHz.
    pub(crate) const fn new(ssid: &'static str, security: Security, channel: u8) -> Self {
        Self {
            ssid,
            security,
            channel,
            wide: false,
            rekey: 0,
            hidden: false,
        }
    }

    /// The same with a name that only those hear who ask for it.
    pub(crate) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// The same with 40 MHz.
    pub(crate) const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// The same with keys that change.
    pub(crate) const fn rekeyed(mut self, seconds: u32) -> Self {
        self.rekey = seconds;
        self
    }

    /// The same on another channel.
    pub(crate) const fn on_channel(mut self, channel: u8) -> Self {
        self.channel = channel;
        self
    }

    /// Centre frequency of the primary channel.
    pub(crate) fn megahertz(&self) -> u32 {
        match self.channel {
            1..=13 => 2407 + 5 * u32::from(self.channel),
            14 => 2484,
            _ => 5000 + 5 * u32::from(self.channel),
        }
    }

    /// The configuration of `hostapd`.
    pub(crate) fn hostapd(&self, interface: &str) -> String {
        let band = if self.channel > 14 { "a" } else { "g" };
        let mut text = format!(
            "interface={interface}\ndriver=nl80211\nctrl_interface=/run/hostapd\nssid={}\nhw_mode={band}\n\
             channel={}\ncountry_code=US\nieee80211n=1\nwmm_enabled=1\n",
            self.ssid, self.channel
        );
        text.push_str(if self.wide {
            "ht_capab=[HT40+][SHORT-GI-20][SHORT-GI-40]\n"
        } else {
            "ht_capab=[SHORT-GI-20]\n"
        });
        if self.hidden {
            text.push_str("ignore_broadcast_ssid=1\n");
        }
        if self.rekey > 0 {
            text.push_str(&format!(
                "wpa_ptk_rekey={0}\nwpa_group_rekey={0}\n",
                self.rekey
            ));
        }
        text.push_str(&match self.security {
            Security::Open => String::new(),
            Security::Wep => format!("wep_default_key=0\nwep_key0={WEP_KEY}\n"),
            Security::Tkip => format!(
                "wpa=1\nwpa_key_mgmt=WPA-PSK\nwpa_pairwise=TKIP\nwpa_passphrase={PASSPHRASE}\n"
            ),
            Security::Wpa2 => format!(
                "wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase={PASSPHRASE}\n"
            ),
            Security::Wpa3 => format!(
                "wpa=2\nwpa_key_mgmt=SAE\nrsn_pairwise=CCMP\nieee80211w=2\nsae_require_mfp=1\n\
                 sae_password={PASSPHRASE}\n"
            ),
        });
        text
    }

    /// The network block of `wpa_supplicant`, switched off at first, so that the time to connect can be measured. A scan
    /// for it looks at `frequencies` only, when there are any.
    pub(crate) fn supplicant(&self, frequencies: &[u32]) -> String {
        let security = match self.security {
            Security::Open => "key_mgmt=NONE".to_owned(),
            Security::Wep => format!("key_mgmt=NONE\n  wep_key0={WEP_KEY}\n  wep_tx_keyidx=0"),
            Security::Tkip => format!(
                "key_mgmt=WPA-PSK\n  proto=WPA\n  pairwise=TKIP\n  group=TKIP\n  psk=\"{PASSPHRASE}\""
            ),
            Security::Wpa2 => format!("key_mgmt=WPA-PSK\n  psk=\"{PASSPHRASE}\""),
            Security::Wpa3 => {
                format!("key_mgmt=SAE\n  ieee80211w=2\n  sae_password=\"{PASSPHRASE}\"")
            }
        };
        let list = if frequencies.is_empty() {
            String::new()
        } else {
            let list: Vec<_> = frequencies.iter().map(u32::to_string).collect();
            format!("  scan_freq={0}\n  freq_list={0}\n", list.join(" "))
        };
        let ask = if self.hidden { "  scan_ssid=1\n" } else { "" };
        format!(
            "network={{\n  ssid=\"{}\"\n  {security}\n{ask}{list}  disabled=1\n}}\n",
            self.ssid
        )
    }
}

/// Radios of `mac80211_hwsim`, moved to the network namespace of the access points.
pub(crate) struct Radios {
    /// Their interfaces.
    pub(crate) interfaces: Vec<String>,
}

/// Name of the namespace of the access points.
pub(crate) const AP_SPACE: &str = "ap";

/// The address of the (first) access point.
pub(crate) const AP_ADDRESS: &str = "10.0.0.1";

/// The address of the station.
pub(crate) const STATION_ADDRESS: &str = "10.0.0.2";

/// A namespace for the access points.
pub(crate) fn add_namespace(name: &str) -> Result<()> {
    run(&format!("ip netns add {name}"), SHORT)?;
    run(&format!("ip -n {name} link set lo up"), SHORT)?;
    Ok(())
}

/// The physical devices of 802.11, by name.
pub(crate) fn phys() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("/sys/class/ieee80211")
        .map(|entries| {
            entries
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

/// The network interface of a physical device.
pub(crate) fn interface_of(phy: &str) -> Option<String> {
    fs::read_dir(format!("/sys/class/ieee80211/{phy}/device/net"))
        .ok()?
        .flatten()
        .find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let owner = fs::read_link(format!("/sys/class/net/{name}/phy80211")).ok()?;
            (owner.file_name()?.to_str()? == phy).then_some(name)
        })
}

impl Radios {
    /// Loads the simulation with `count` radios and moves all but the first `keep` to the access points' namespaces, one
    /// namespace each: `ap`, `ap2`, ….
    pub(crate) fn load(count: usize, keep: usize) -> Result<Self> {
        run(
            &format!("/run/modprobe mac80211_hwsim radios={count}"),
            SHORT,
        )?;
        let phys = until("radios of mac80211_hwsim", SHORT, || {
            let phys = phys();
            Ok(
                (phys.len() >= count && phys.iter().all(|phy| interface_of(phy).is_some()))
                    .then_some(phys),
            )
        })?;
        let mut interfaces = Vec::new();
        for (number, phy) in phys.iter().skip(keep).enumerate() {
            let space = space(number);
            add_namespace(&space)?;
            interfaces.push(interface_of(phy).with_context(|| format!("{phy} has no interface"))?);
            run(&format!("iw phy {phy} set netns name {space}"), SHORT)?;
        }
        Ok(Self { interfaces })
    }
}

/// The namespace of an access point.
pub(crate) fn space(number: usize) -> String {
    if number == 0 {
        AP_SPACE.to_owned()
    } else {
        format!("{AP_SPACE}{}", number + 1)
    }
}

/// A running access point.
pub(crate) struct AccessPoint {
    _daemon: Daemon,
    /// Its BSSID.
    pub(crate) bssid: String,
}

impl AccessPoint {
    /// Starts `hostapd` on an interface of a namespace and waits until the network is there.
    pub(crate) fn start(number: usize, interface: &str, network: &Network) -> Result<Self> {
        let space = space(number);
        let name = format!("hostapd-{space}");
        let file = format!("{OUT}/{name}.conf");
        fs::write(&file, network.hostapd(interface))?;
        let mut daemon = Daemon::start(&name, &format!("ip netns exec {space} hostapd -t {file}"))?;
        let path = format!("/run/hostapd/{interface}");
        let control = Control::open(&path, SHORT);
        daemon.check()?;
        let mut control = control?;
        let limit = SHORT;
        until("hostapd: state ENABLED", limit, || {
            daemon.check()?;
            Ok(control
                .request("STATUS")?
                .contains("state=ENABLED")
                .then_some(()))
        })?;
        let status = control.request("STATUS")?;
        let bssid = field(&status, "bssid[0]").context("hostapd says no BSSID")?;
        run(
            &format!("ip -n {space} addr replace {AP_ADDRESS}/24 dev {interface}"),
            SHORT,
        )?;
        Ok(Self {
            _daemon: daemon,
            bssid,
        })
    }
}

/// A field of the answer to STATUS.
pub(crate) fn field(status: &str, name: &str) -> Option<String> {
    status.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

/// A station that is managed by `wpa_supplicant`.
pub(crate) struct Station {
    daemon: Option<Daemon>,
    /// Its control socket.
    pub(crate) control: Control,
    interface: String,
}

impl Station {
    /// Starts `wpa_supplicant` with one network, which is not connected to yet.
    pub(crate) fn start(interface: &str, network: &Network, frequencies: &[u32]) -> Result<Self> {
        let file = format!("{OUT}/wpa_supplicant.conf");
        fs::write(
            &file,
            format!(
                "ctrl_interface=/run/wpa_supplicant\np2p_disabled=1\ncountry=US\nsae_pwe=2\n{}",
                network.supplicant(frequencies)
            ),
        )?;
        let mut daemon = Daemon::start(
            "wpa_supplicant",
            &format!("wpa_supplicant -t -D nl80211 -i {interface} -c {file}"),
        )?;
        let control = Control::open(&format!("/run/wpa_supplicant/{interface}"), SHORT);
        daemon.check()?;
        Ok(Self {
            daemon: Some(daemon),
            control: control?,
            interface: interface.to_owned(),
        })
    }

    /// Connects, gives the interface its address, and says how long the connection took.
    pub(crate) fn connect(&mut self, limit: Duration) -> Result<Duration> {
        self.control.forget()?;
        let start = Instant::now();
        self.control.expect_ok("ENABLE_NETWORK 0")?;
        self.connected(limit)?;
        let time = start.elapsed();
        run(
            &format!(
                "ip addr replace {STATION_ADDRESS}/24 dev {}",
                self.interface
            ),
            SHORT,
        )?;
        Ok(time)
    }

    /// Waits for the connection.
    pub(crate) fn connected(&mut self, limit: Duration) -> Result<()> {
        // A refused attempt is repeated by wpa_supplicant; here it is a failure, and its reason is wanted.
        let event = self.control.event(
            &[
                "CTRL-EVENT-CONNECTED",
                "CTRL-EVENT-ASSOC-REJECT",
                "CTRL-EVENT-AUTH-REJECT",
                "CTRL-EVENT-SSID-TEMP-DISABLED",
                "CTRL-EVENT-TERMINATING",
            ],
            limit,
        )?;
        if !event.contains("CTRL-EVENT-CONNECTED") {
            bail!("not connected: {event}");
        }
        Ok(())
    }

    /// Leaves the network.
    pub(crate) fn disconnect(&mut self, limit: Duration) -> Result<()> {
        self.control.forget()?;
        self.control.expect_ok("DISABLE_NETWORK 0")?;
        self.control
            .event(&["CTRL-EVENT-DISCONNECTED"], limit)
            .map(drop)
    }

    /// What `wpa_supplicant` says about the connection.
    pub(crate) fn status(&mut self, name: &str) -> Result<String> {
        let status = self.control.request("STATUS")?;
        field(&status, name).with_context(|| format!("wpa_supplicant's status has no {name}"))
    }

    /// Ends `wpa_supplicant`.
    pub(crate) fn stop(mut self, limit: Duration) -> Result<()> {
        match self.daemon.take() {
            Some(daemon) => daemon.stop(limit).map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_from_channels() {
        let network = |channel| Network::new("n", Security::Open, channel).megahertz();
        assert_eq!((network(1), network(13), network(14)), (2412, 2472, 2484));
        assert_eq!((network(36), network(165)), (5180, 5825));
    }

    #[test]
    fn wpa3_requires_protected_management_frames_on_both_sides() {
        let network = Network::new("n", Security::Wpa3, 36).wide();
        let access_point = network.hostapd("wlan1");
        assert!(access_point.contains("ieee80211w=2\n") && access_point.contains("[HT40+]"));
        assert!(access_point.contains("hw_mode=a\n") && !access_point.contains("wpa_passphrase"));
        let station = network.supplicant(&[5180]);
        assert!(station.contains("ieee80211w=2\n") && station.contains("scan_freq=5180\n"));
    }

    #[test]
    fn an_open_network_has_no_secret() {
        let network = Network::new("n", Security::Open, 6);
        assert!(!network.hostapd("wlan1").contains(PASSPHRASE));
        assert!(network.supplicant(&[]).contains("key_mgmt=NONE"));
        assert!(!network.supplicant(&[]).contains("freq"));
    }

    #[test]
    fn old_networks_are_old_on_both_sides() {
        let tkip = Network::new("n", Security::Tkip, 1);
        assert!(tkip.hostapd("wlan1").contains("wpa=1\n"));
        assert!(!tkip.hostapd("wlan1").contains("CCMP"));
        assert!(tkip.supplicant(&[]).contains("pairwise=TKIP\n"));
        let wep = Network::new("n", Security::Wep, 1);
        assert!(wep
            .hostapd("wlan1")
            .contains(&format!("wep_key0={WEP_KEY}\n")));
        assert!(wep
            .supplicant(&[])
            .contains(&format!("wep_key0={WEP_KEY}\n")));
    }

    #[test]
    fn a_field_of_the_status_is_found_by_its_whole_name() {
        let status = "bssid=02:00\nssid=x\nbssid[0]=02:01\n";
        assert_eq!(field(status, "bssid[0]").as_deref(), Some("02:01"));
        assert_eq!(field(status, "id"), None);
    }
}
