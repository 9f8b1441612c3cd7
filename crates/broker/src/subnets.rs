//! Which addresses a sandbox's network has.

use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;

/// Lengths of the prefix of one network: /28 has room for the sandbox and its gateway, as every larger one.
const SIZES: std::ops::RangeInclusive<u8> = 24..=28;
/// Shortest prefix of the range: what is beyond it has no name of four characters.
const RANGE_MIN: u8 = 8;

/// The range that networks are cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnets {
    range: Ipv4Net,
    size: u8,
}

impl FromStr for Subnets {
    type Err = ();

    /// `10.212.0.0/14,28`: the range, and the length of the prefix of one network.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (range, size) = text.split_once(',').ok_or(())?;
        let (range, size) = (range.parse::<Ipv4Net>().map_err(drop)?, size.parse().map_err(drop)?);
        let fits = SIZES.contains(&size) && (RANGE_MIN..=size).contains(&range.prefix_len());
        if fits && range.trunc() == range { Ok(Self { range, size }) } else { Err(()) }
    }
}

impl Subnets {
    /// How many there are.
    const fn count(self) -> u32 {
        1 << (self.size - self.range.prefix_len())
    }

    /// One of them.
    fn at(self, number: u32) -> Option<Ipv4Net> {
        let base = self.range.network().to_bits() | (number << (32 - u32::from(self.size)));
        Ipv4Net::new(Ipv4Addr::from_bits(base), self.size).ok()
    }

    /// Those that nobody has, with their numbers, beginning anywhere: two that look at the same moment shall not find the same.
    pub(crate) fn free(self, from: u32, taken: &[Ipv4Net]) -> impl Iterator<Item = (u32, Ipv4Net)> {
        let count = self.count();
        let all = (0..count).map(move |step| (from % count + step) % count);
        let near = taken.iter().copied().filter(move |net| overlap(*net, self.range)).collect::<Vec<_>>();
        all.filter_map(move |number| self.at(number).map(|net| (number, net)))
            .filter(move |(_, net)| !near.iter().any(|other| overlap(*net, *other)))
    }
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Networks that this machine has ways to, out of the kernel's table of them; the way to everywhere is none.
pub(crate) fn routes(table: &str) -> Vec<Ipv4Net> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The kernel writes addresses as numbers in the machine's own order.
        let address = |field: usize| {
            let number = u32::from_str_radix(fields.get(field)?, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        let net = Ipv4Net::with_netmask(address(1)?, address(7)?).ok()?;
        (net.prefix_len() > 0).then_some(net)
    };
    table.lines().skip(1).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnets(text: &str) -> Subnets {
        text.parse().unwrap()
    }

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_cut_without_gaps_or_overlaps() {
        let all: Vec<_> = subnets("10.1.2.0/25,28").free(3, &[]).collect();
        let nets: Vec<String> = all.iter().map(|(_, net)| net.to_string()).collect();
        assert_eq!(nets[0], "10.1.2.48/28");
        assert_eq!((nets.len(), nets.last().unwrap().as_str()), (8, "10.1.2.32/28"));
        assert_eq!(subnets("10.212.0.0/14,28").count(), 16_384);
    }

    #[test]
    fn what_is_taken_in_whole_or_in_part_is_left_out() {
        let taken = [net("10.1.2.0/26"), net("10.1.2.65/32"), net("192.168.0.0/16")];
        let free: Vec<_> = subnets("10.1.2.0/25,28").free(0, &taken).collect();
        assert_eq!(free, [(5, net("10.1.2.80/28")), (6, net("10.1.2.96/28")), (7, net("10.1.2.112/28"))]);
        assert_eq!(subnets("10.1.2.0/24,24").free(0, &[net("10.0.0.0/8")]).count(), 0);
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        for text in [
            "10.0.0.0/8",
            "10.0.0.0/8,29",
            "10.0.0.0/8,23",
            "10.0.0.1/8,28",
            "0.0.0.0/0,28",
            "10.0.0.0/29,28",
        ] {
            assert!(text.parse::<Subnets>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_kernel_s_table_is_read() {
        let hex = |text: &str| {
            let address: Ipv4Addr = text.parse().unwrap();
            format!("{:08X}", u32::from_ne_bytes(address.octets()))
        };
        let row = |to: &str, mask: &str| {
            format!("eth0 {} {} 0001 0 0 0 {} 0 0 0\n", hex(to), hex("10.0.0.1"), hex(mask))
        };
        let table =
            ["Iface Destination …\n", &row("0.0.0.0", "0.0.0.0"), &row("10.212.0.0", "255.255.0.0")].concat();
        assert_eq!(routes(&table), [net("10.212.0.0/16")]);
        assert_eq!(routes("x\ny z\n"), []);
    }
}
