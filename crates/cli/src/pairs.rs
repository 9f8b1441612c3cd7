//! `KEY=VALUE` arguments, and `HOST:CONTAINER` ones.

use atoll_api_types::{Gpus, PublishPort};

/// A variable from `KEY=VALUE`, or from `KEY`, which takes the value from our own environment, as Docker does.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, value.to_owned()),
        None => (text, std::env::var(text).map_err(|_| format!("{text} is not set here; give KEY=VALUE"))?),
    };
    if key.is_empty() { Err("give KEY=VALUE".to_owned()) } else { Ok((key.to_owned(), value)) }
}

/// A label from `KEY=VALUE`.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give KEY=VALUE".to_owned()),
    }
}

/// A port to publish, from `CONTAINER` or `HOST:CONTAINER`.
pub(crate) fn port(text: &str) -> Result<PublishPort, String> {
    let number =
        |text: &str| text.parse::<u16>().map_err(|_| "give PORT or HOST:PORT, such as 8080:80".to_owned());
    let (host, container) = match text.split_once(':') {
        Some((host, container)) => (Some(u32::from(number(host)?)), container),
        None => (None, text),
    };
    match number(container)? {
        0 => Err("there is no port 0 in a sandbox".to_owned()),
        container => Ok(PublishPort { container: container.into(), host }),
    }
}

/// GPUs from `all`, `none`, a number, or `device=ID,…`, as Docker takes them.
pub(crate) fn gpus(text: &str) -> Result<Gpus, String> {
    if let Some(ids) = text.strip_prefix("device=") {
        return Ok(Gpus::Devices(ids.split(',').map(str::to_owned).collect()));
    }
    match text {
        "all" | "none" => Ok(Gpus::Word(text.to_owned())),
        _ => text.parse().map(Gpus::Count).map_err(|_| "give all, a number, or device=ID,ID".to_owned()),
    }
}

/// An environment, perhaps with its version, from `ENVIRONMENT` or `ENVIRONMENT@VERSION`.
pub(crate) fn environment(text: &str) -> Result<(String, Option<u32>), String> {
    match text.rsplit_once('@') {
        None if !text.is_empty() => Ok((text.to_owned(), None)),
        Some((name, version)) if !name.is_empty() => {
            let version = version.parse().map_err(|_| "a version is a number, such as web@3".to_owned())?;
            Ok((name.to_owned(), Some(version)))
        }
        _ => Err("give the id or the name of an environment".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(variable("A="), Ok(("A".into(), String::new())));
        assert_eq!(variable("PATH"), Ok(("PATH".into(), std::env::var("PATH").unwrap())));
        assert!(variable("=b").is_err());
        assert!(variable("ATOLL_SURELY_NOT_SET").is_err());
    }

    #[test]
    fn ports_are_read() {
        assert_eq!(port("80"), Ok(PublishPort { container: 80, host: None }));
        assert_eq!(port("8080:80"), Ok(PublishPort { container: 80, host: Some(8_080) }));
        assert_eq!(port("0:80"), Ok(PublishPort { container: 80, host: Some(0) }));
        for wrong in ["", "0", ":80", "80:", "80:0", "65536", "-1", "127.0.0.1:80", "80/udp", "1:2:3"] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn gpus_are_read() {
        assert_eq!(gpus("all"), Ok(Gpus::Word("all".to_owned())));
        assert_eq!(gpus("2"), Ok(Gpus::Count(2)));
        assert_eq!(gpus("device=0,GPU-1"), Ok(Gpus::Devices(vec!["0".to_owned(), "GPU-1".to_owned()])));
        for wrong in ["", "some", "-1", "0,1"] {
            assert!(gpus(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn environments_are_read() {
        assert_eq!(environment("web"), Ok(("web".into(), None)));
        assert_eq!(environment("a@b@3"), Ok(("a@b".into(), Some(3))));
        for wrong in ["", "@3", "web@", "web@x", "web@-1"] {
            assert!(environment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn labels_are_read() {
        assert_eq!(label("a=b"), Ok(("a".into(), "b".into())));
        assert!(label("a").is_err());
        assert!(label("=b").is_err());
    }
}
