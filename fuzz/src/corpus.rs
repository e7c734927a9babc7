//! The seeds: worked examples of the specification and files made by hand, small, each showing one thing.

/// Seeds of a target: name and content. Unknown targets have none.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    match target {
        "capture_file" => capture_file(),
        "core_dump" => core_dump(),
        "factory_text" => factory_text(),
        "firmware_image" => firmware_image(),
        "hostile_chip" => hostile_chip(),
        "management_frame" => management_frame(),
        "rx_burst" => rx_burst(),
        "wsm_message" => wsm_message(),
        _ => Vec::new(),
    }
}

fn named(seeds: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    seeds
        .into_iter()
        .map(|(name, content)| (name.to_owned(), content))
        .collect()
}

/// Bytes from hexadecimal digits; white space is ignored.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// The same, filled up with zeros to `len`.
fn hex_to(text: &str, len: usize) -> Vec<u8> {
    let mut bytes = hex(text);
    bytes.resize(len, 0);
    bytes
}

/// A QoS data frame of 40 bytes in a RECEIVE indication.
const RECEIVE: &str = "
    48 00 04 28 00 00 00 00 06 00 15 78 07 40 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    88 02 00 00 02 11 22 33 44 55 00 1a 2b 3c 4d 5e 00 1a 2b 3c 4d 5f 20 00 00 00 aa aa 03 00 00 00
    08 06 00 00 00 00 00 00";

/// The worked examples of file 20, section 20.
fn wsm_message() -> Vec<(String, Vec<u8>)> {
    let transmit = {
        let mut message = hex("
            7c 00 04 40 05 00 02 00 15 00 00 10 00 00 00 00 00 00 00 00 01 00 00 00 08 01 00 00 00 1a 2b 3c
            4d 5e 02 11 22 33 44 55 00 1a 2b 3c 4d 5f 10 00 aa aa 03 00 00 00 08 00");
        message.extend(0x00..=0x43);
        message
    };
    named([
        ("startup", hex_to("98 00 01 08 1e 00 60 06 00 06 00 00 00 00 00 00 02 00 01 00 07 00 02 01 65 6d 75 2d 66 77", 152)),
        ("configuration", hex_to("5c 03 09 40 00 00 00 00 00 00 00 00 00 00 00 00 4c 03 01 00 02 11 22 33 44 55 05 00 c0 02 02 03", 860)),
        ("configuration_confirm", hex("
            2c 00 09 64 00 00 00 00 02 11 22 33 44 55 03 00 cf ff 3f 00 00 00 00 00 c8 00 00 00 0a 00 00 00
            00 00 00 00 c8 00 00 00 0a 00 00 00")),
        ("write_mib", hex("0c 00 06 80 06 10 04 00 10 00 00 00")),
        ("write_mib_confirm", hex("08 00 06 a4 00 00 00 00")),
        ("read_mib_confirm", hex("10 00 05 04 00 00 00 00 06 10 04 00 10 00 00 00")),
        ("start_scan", hex_to("
            64 00 07 e0 00 00 00 00 00 00 00 00 02 03 01 64 01 00 00 00 64 00 00 00 64 00 00 00 00 00 00 00
            06 00 00 00 64 00 00 00 64 00 00 00 00 00 00 00 0b 00 00 00 64 00 00 00 64 00 00 00 00 00 00 00
            04 00 00 00 74 65 73 74", 100)),
        ("scan_complete", hex("0c 00 06 a8 00 00 00 00 00 03 00 00")),
        ("join", hex("
            40 00 0b 20 01 00 06 00 00 1a 2b 3c 4d 5e 00 00 01 01 03 00 04 00 00 00 74 65 73 74 00 00 00 00
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 64 00 00 00 07 00 00 00")),
        ("join_confirm", hex("10 00 0b c4 00 00 00 00 00 00 00 00 c8 00 00 00")),
        ("transmit", transmit),
        ("transmit_confirm", hex("18 00 04 e4 05 00 02 00 00 00 00 00 15 00 01 00 52 03 00 00 90 01 00 00")),
        ("multi_confirm", hex("
            30 00 1e 04 02 00 00 00 05 00 02 00 00 00 00 00 15 00 01 00 52 03 00 00 90 01 00 00 06 00 02 00
            06 00 00 00 0e 07 00 00 e0 2e 00 00 f4 01 00 00")),
        ("multi_confirm_count_too_large", hex("
            30 00 1e 04 ff ff ff ff 05 00 02 00 00 00 00 00 15 00 01 00 52 03 00 00 90 01 00 00 06 00 02 00
            06 00 00 00 0e 07 00 00 e0 2e 00 00 f4 01 00 00")),
        ("receive", hex(RECEIVE)),
        ("receive_without_frame", hex_to("20 00 04 28", 32)),
        ("power_save_indication", hex("0c 00 09 48 00 00 00 00 01 00 00 00")),
        ("channel_switch_done", hex("08 00 0a 68 00 00 00 00")),
        ("event_bss_lost", hex("0c 00 05 88 01 00 00 00 00 00 00 00")),
        ("mcu_status", hex("0c 00 27 0c 03 00 00 00 05 00 00 00")),
        ("mcu_status_confirm", hex("10 00 27 0c 00 00 00 00 0f 00 00 00 03 00 00 00")),
        ("stop_scan", hex("04 00 48 00")),
        ("switch_channel", hex("08 00 16 00 b0 00 24 00")),
        ("exception", hex_to("5c 00 e0 08 01 00 00 00", 92)),
        ("unknown_id", hex("08 00 ff 0b 00 00 00 00")),
        ("length_beyond_the_end", hex("ff ff 04 28 00 00 00 00")),
        ("header_cut", hex("04 00 48")),
    ])
}

/// Bursts of file 10, section 16.1, and the shapes that must be refused.
fn rx_burst() -> Vec<(String, Vec<u8>)> {
    let confirm = hex("08 00 06 a4 00 00 00 00");
    let event = hex("0c 00 05 c8 01 00 00 00 00 00 00 00");
    let burst = |messages: &[&[u8]], len: usize| {
        let mut bytes = messages.concat();
        bytes.resize(bytes.len().max(len), 0);
        bytes
    };
    let three = {
        let mut receive = hex(RECEIVE);
        receive.resize(1076, 0x5A);
        receive[..2].copy_from_slice(&1074u16.to_le_bytes());
        burst(&[&confirm, &event, &receive], 1536)
    };
    let sixteen = burst(&[confirm.as_slice(); 16], 512);
    let seventeen = burst(&[confirm.as_slice(); 17], 512);
    named([
        ("three_messages", three),
        ("one_message", burst(&[&confirm], 512)),
        ("sixteen_messages", sixteen),
        ("seventeen_messages", seventeen),
        ("no_message", burst(&[], 512)),
        ("length_1", burst(&[&confirm, &hex("01 00 06 a4")], 512)),
        (
            "length_beyond_the_end",
            burst(&[&confirm, &hex("00 04 04 e8")], 512),
        ),
        ("length_65535", burst(&[&hex("ff ff 04 e8")], 512)),
        (
            "long_message_second",
            burst(&[&confirm, &hex("64 06 04 e8")], 2048),
        ),
        ("unaligned_end", burst(&[&hex("05 00 06 a4 00")], 0)),
        ("no_terminator", burst(&[confirm.as_slice(); 4], 32)),
        ("two_bytes", hex("08 00")),
    ])
}

/// A few frames of a station and its access point in each format that is read, and headers that lie.
fn capture_file() -> Vec<(String, Vec<u8>)> {
    const PLAIN: u32 = 105;
    const RADIOTAP: u32 = 127;
    const ETHERNET: u32 = 1;
    let data = hex(
        "08 01 00 00 00 1a 2b 3c 4d 5e 02 11 22 33 44 55 00 1a 2b 3c 4d 5f 10 00 aa aa 03 00 00 00 08 00",
    );
    let acknowledgement = hex("d4 00 00 00 02 11 22 33 44 55");
    let authentication = hex(
        "b0 00 00 00 00 1a 2b 3c 4d 5e 02 11 22 33 44 55 00 1a 2b 3c 4d 5e 20 00 00 00 01 00 00 00",
    );
    // Flags, rate and channel 1; the frame has its check sequence behind it.
    let radiotap = hex("00 00 0e 00 0e 00 00 00 10 02 6c 09 a0 00");
    let tapped = [radiotap.as_slice(), &data, &[0; 4]].concat();
    let pcap = |link: u32, records: &[&[u8]]| {
        let mut bytes = hex("d4 c3 b2 a1 02 00 04 00 00 00 00 00 00 00 00 00 ff ff 00 00");
        bytes.extend(link.to_le_bytes());
        for (second, record) in (1u32..).zip(records) {
            let len = (record.len() as u32).to_le_bytes();
            bytes.extend([second.to_le_bytes(), [0; 4], len, len].concat());
            bytes.extend(*record);
        }
        bytes
    };
    let block = |kind: u32, body: &[u8]| {
        let len = (12 + body.len().next_multiple_of(4) as u32).to_le_bytes();
        let mut bytes = [&kind.to_le_bytes(), &len, body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(len);
        bytes
    };
    let section = block(
        0x0A0D_0D0A,
        &hex("4d 3c 2b 1a 01 00 00 00 ff ff ff ff ff ff ff ff"),
    );
    let interface = block(1, &hex("69 00 00 00 00 00 00 00"));
    let packet = |interface: u32| {
        let len = (data.len() as u32).to_le_bytes();
        let head = [interface.to_le_bytes(), [0; 4], [1, 0, 0, 0], len, len].concat();
        block(6, &[head, data.clone()].concat())
    };
    // A time resolution of 2^-127 seconds.
    let odd_clock = block(
        1,
        &hex("69 00 00 00 00 00 00 00 09 00 01 00 ff 00 00 00 00 00 00 00"),
    );
    let mut huge = pcap(PLAIN, &[&data]);
    huge[32..40].fill(0xFF);
    let mut radiotap_longer_than_the_frame = tapped.clone();
    radiotap_longer_than_the_frame[2] = 0xFF;
    named([
        (
            "plain",
            pcap(PLAIN, &[&authentication, &data, &acknowledgement]),
        ),
        ("radiotap", pcap(RADIOTAP, &[&tapped, &tapped])),
        (
            "radiotap_longer_than_the_frame",
            pcap(RADIOTAP, &[&radiotap_longer_than_the_frame, &tapped]),
        ),
        ("ethernet", pcap(ETHERNET, &[&data])),
        ("record_of_4_gigabytes", huge),
        ("no_record", pcap(PLAIN, &[])),
        ("only_acknowledgements", pcap(PLAIN, &[&acknowledgement])),
        (
            "pcapng",
            [section.as_slice(), &interface, &packet(0)].concat(),
        ),
        (
            "pcapng_unknown_interface",
            [section.as_slice(), &interface, &packet(7)].concat(),
        ),
        (
            "pcapng_odd_clock",
            [section.as_slice(), &odd_clock, &packet(0)].concat(),
        ),
        ("empty", Vec::new()),
    ])
}

/// Dumps as the driver writes them, and what a mail program makes of them.
fn core_dump() -> Vec<(String, Vec<u8>)> {
    const CRASH: &str = include_str!("../../bes-sim/tests/data/crash.dump");
    named([
        ("crash", CRASH.into()),
        ("carriage_returns", CRASH.replace('\n', "\r\n").into()),
        (
            "escape_sequences",
            CRASH.replace("failure", "\x1b[2J\x07").into(),
        ),
        (
            "numbers_too_large",
            CRASH.replace(" 1", " 99999999999999999999").into(),
        ),
        ("version_2", CRASH.replace("dump 1", "dump 2").into()),
        ("title_only", b"bes2600 core dump 1\n".to_vec()),
        ("not_text", vec![0xFF; 64]),
    ])
}

/// Frames from the air, each alone and behind the status with which the chip would report it.
fn management_frame() -> Vec<(String, Vec<u8>)> {
    const ACCESS_POINT: &str = "00 1a 2b 3c 4d 5e";
    const STATION: &str = "02 11 22 33 44 55";
    let frame = |control: &str, body: &str| {
        hex(&format!(
            "{control} 00 00 {STATION} {ACCESS_POINT} {ACCESS_POINT} 00 00 {body}"
        ))
    };
    let fixed = "00 00 00 00 00 00 00 00 64 00 11 04";
    let rsn = "30 14 01 00 00 0f ac 04 01 00 00 0f ac 04 01 00 00 0f ac 02 00 00";
    let ht = format!(
        "2d 1a 6e 11 17 ff {} 3d 16 06 00 {}",
        "00 ".repeat(22),
        "00 ".repeat(20)
    );
    let elements = format!(
        "00 04 74 65 73 74 01 04 82 84 8b 96 03 01 06 05 04 00 03 00 00 2a 01 00 {rsn} {ht}"
    );
    let frames = [
        ("beacon", frame("80 00", &format!("{fixed} {elements}"))),
        (
            "beacon_element_too_long",
            frame("80 00", &format!("{fixed} 00 ff 74 65 73 74")),
        ),
        (
            "beacon_tim_short",
            frame("80 00", &format!("{fixed} 05 01 00")),
        ),
        (
            "beacon_tim_period_0",
            frame("80 00", &format!("{fixed} 05 04 00 00 00 00")),
        ),
        ("beacon_without_elements", frame("80 00", fixed)),
        (
            "probe_response",
            frame("50 00", &format!("{fixed} {elements}")),
        ),
        (
            "association_response",
            frame("10 00", "11 04 00 00 01 c0 01 04 82 84 8b 96"),
        ),
        ("deauthentication", frame("c0 00", "07 00")),
        ("deauthentication_without_reason", frame("c0 00", "")),
        (
            "disassociation_protected",
            frame(
                "a0 40",
                "00 00 00 20 00 00 00 00 08 00 00 00 00 00 00 00 00 00",
            ),
        ),
        (
            "action_add_block_ack",
            frame("d0 00", "03 00 01 02 10 00 00 10 00"),
        ),
        (
            "qos_data",
            frame("88 02", "00 00 aa aa 03 00 00 00 08 06 00 00 00 00 00 00"),
        ),
        (
            "qos_data_amsdu",
            frame(
                "88 02",
                "80 00 02 11 22 33 44 55 00 1a 2b 3c 4d 5e ff ff aa aa 03 00 00 00 08 00",
            ),
        ),
        (
            "data_protected",
            frame(
                "08 42",
                "01 00 00 20 00 00 00 00 aa aa 03 00 00 00 08 00 11 22 33 44 55 66 77 88",
            ),
        ),
        (
            "four_addresses",
            frame("88 03", "02 00 00 00 00 01 00 00 aa aa 03 00 00 00 08 00"),
        ),
        ("fragment", frame("08 06", "aa aa 03 00 00 00 88 8e 01 03")),
        ("acknowledgement", hex("d4 00 00 00 02 11 22 33 44 55")),
    ];
    // Success on channel 6 at MCS 7 and 1 Mbit/s, then decrypted by the chip with CCMP.
    let statuses = [
        ("plain", "00 00 00 00 06 00 15 78 00 00 00 00"),
        ("slow", "00 00 00 00 06 00 00 78 00 00 00 00"),
        ("decrypted", "00 00 00 00 06 00 15 78 07 40 01 00"),
        ("mic_failure", "02 00 00 00 24 00 0d 78 03 00 00 00"),
    ];
    let mut seeds = Vec::new();
    for (name, frame) in frames {
        for (status_name, status) in statuses {
            let mut content = hex_to(status, 28);
            content.extend_from_slice(&frame);
            seeds.push((format!("{status_name}_{name}"), content));
        }
        seeds.push((name.to_owned(), frame));
    }
    seeds
}

/// The default text of file 11, section 8.
fn factory_text() -> Vec<(String, Vec<u8>)> {
    let values: [(&str, &[(&str, &str)]); 6] = [
        (
            "##head",
            &[
                ("magic:0x", "ba80"),
                ("version:0x", "2"),
                ("crc:0x", "b1cf339f"),
            ],
        ),
        (
            "##iq&xtal",
            &[
                ("iQ_offset:0x", "0"),
                ("freq_cal:0x", "a0"),
                ("freq_cal_flags:0x", "0"),
            ],
        ),
        (
            "##2.4g_power_11n",
            &[
                ("ch1:0x", "1400"),
                ("ch7:0x", "1400"),
                ("ch13:0x", "1400"),
                ("tx_power_type:0x", "ff"),
                ("temperature:0x", "0"),
            ],
        ),
        (
            "##5g_power_11n",
            &[
                ("ch36-40:0x", "1400"),
                ("ch44-48:0x", "1400"),
                ("ch52-56:0x", "1400"),
                ("ch60-64:0x", "1400"),
                ("ch100-104:0x", "1400"),
                ("ch108-112:0x", "1400"),
                ("ch116-120:0x", "1400"),
                ("ch124-128:0x", "1400"),
                ("ch132-136:0x", "1400"),
                ("ch140-144:0x", "1400"),
                ("ch149-153:0x", "1400"),
                ("ch157-161:0x", "1400"),
                ("ch165-169:0x", "1400"),
                ("tx_power_flags_5G:0x", "0"),
                ("temperature_5G:0x", "0"),
            ],
        ),
        (
            "##bt",
            &[
                ("bdr_div:0x", "5"),
                ("bdr_power:0x", "10"),
                ("edr_div:0x", "5"),
                ("edr_power:0x", "15"),
            ],
        ),
        ("##select_efuse_flag", &[("select_efuse:", "0")]),
    ];
    let text = |line_end: &str| {
        let mut text = String::new();
        for (section, lines) in values {
            text += &format!("{section}{line_end}");
            for (key, value) in lines {
                text += &format!("{key}{value}{line_end}");
            }
        }
        text + "%%" + line_end
    };
    let good = text("\n");
    named([
        ("default", good.clone().into_bytes()),
        ("carriage_returns", text("\r\n").into_bytes()),
        (
            "thirty_values",
            good.split("##select")
                .next()
                .unwrap_or("")
                .as_bytes()
                .to_vec(),
        ),
        (
            "thirty_two_values",
            good.replace("%%", "extra:0x1\n%%").into_bytes(),
        ),
        (
            "wrong_crc",
            good.replace("b1cf339f", "12345678").into_bytes(),
        ),
        ("wrong_magic", good.replace("ba80", "ba81").into_bytes()),
        (
            "value_too_wide",
            good.replace("ch7:0x1400", "ch7:0xfffffffffffffffff1400")
                .into_bytes(),
        ),
        (
            "no_number",
            good.replace("freq_cal:0xa0", "freq_cal:0x").into_bytes(),
        ),
        ("cut", good.as_bytes()[..200].to_vec()),
        ("empty", Vec::new()),
        ("not_text", vec![0xFF; 64]),
    ])
}

/// Images of file 11, section 2.1.
fn firmware_image() -> Vec<(String, Vec<u8>)> {
    let image = |content: usize, exec: u32, trailer: u32| {
        let mut bytes = Vec::new();
        for word in [0x2000_0101, 0, 0x2004_0000, exec] {
            bytes.extend_from_slice(&u32::to_le_bytes(word));
        }
        bytes.extend((0..content).map(|index| index as u8));
        bytes.extend_from_slice(&trailer.to_le_bytes());
        bytes
    };
    named([
        ("by_trailing_word", image(64, 0x2000_0000, 0x2001_0000)),
        ("by_exec_address", image(64, 0x2000_0000, 0)),
        ("no_address", image(64, 0, 0)),
        ("wraps_around", image(64, 0xFFFF_FFF0, 0)),
        ("unaligned_address", image(64, 0x2000_0001, 0)),
        ("header_only", image(0, 0x2000_0000, 0)),
        ("cut", image(64, 0x2000_0000, 0)[..19].to_vec()),
        ("empty", Vec::new()),
    ])
}

/// Scripts that are honest up to a place in the life of a station, lie there in one way, and are honest again.
fn hostile_chip() -> Vec<(String, Vec<u8>)> {
    /// Steps of an honest run until about here. They need not be exact: a lie a few steps later is a lie as well.
    const PLACES: [(&str, usize); 9] = [
        ("first_access", 0),
        ("download", 6),
        ("firmware_starts", 14),
        ("wifi_on", 21),
        ("start_up", 60),
        ("scan", 120),
        ("join", 185),
        ("traffic", 620),
        ("leave", 1415),
    ];
    // What each byte does depends on the access that takes it: see `bes_sim::hostile`.
    const LIES: [(&str, &[u8]); 10] = [
        // A register holds something else.
        ("register_ff", &[0xE0, 0xFF]),
        ("register_00", &[0xE1, 0x00]),
        ("register_odd", &[0xE2, 0x41, 0xE3, 0x12]),
        // A command fails, is lost, or fails although it moved.
        ("failed_crc", &[0xF8, 0x05]),
        ("failed_timeout", &[0xF9, 0x00]),
        ("moved_and_failed", &[0xFC, 0x05]),
        // Bytes of a burst are others: somewhere, in a row, from the start, in a header.
        ("bent_bytes", &[0xE0, 0x00, 0x01, 0x80, 0x00, 0x03, 0x7F]),
        (
            "bent_row",
            &[0xA1, 0x00, 0x02, 0xFF, 0xFF, 0xFF, 0x7F, 0x04, 0x08],
        ),
        ("bent_header", &[0xA3, 0x02, 0x04, 0xA3, 0x00, 0x80]),
        // An interrupt that is none, or the other way round.
        ("interrupt", &[0xFF]),
    ];
    let honest = |steps: usize| {
        let mut script = vec![[0, 255]; steps / 256].concat();
        if let Some(rest) = (steps % 256).checked_sub(1) {
            script.extend([0, rest as u8]);
        }
        script
    };
    let mut seeds = vec![("honest".to_owned(), Vec::new())];
    for (place, steps) in PLACES {
        for (name, lie) in LIES {
            let mut script = honest(steps);
            // Eight times, a few steps apart, so that it meets several kinds of access.
            for distance in 0..8 {
                script.extend_from_slice(lie);
                script.extend(honest(distance));
            }
            seeds.push((format!("{place}_{name}"), script));
        }
    }
    // Every register and every byte of every burst for a while: the chip has lost its mind.
    for (place, steps) in PLACES {
        let mut script = honest(steps);
        script.extend((0u32..400).map(|step| (step.wrapping_mul(0x9E37_79B1) >> 24) as u8));
        seeds.push((format!("{place}_madness"), script));
    }
    seeds
}
