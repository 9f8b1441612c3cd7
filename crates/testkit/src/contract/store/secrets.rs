use atoll_ports::{SecretRecord, Store};
use atoll_types::{EnvironmentId, SecretName};

use super::{is_absent, user_in};
use crate::samples;

pub(super) async fn secrets(store: &dyn Store) {
    let user = user_in(store).await;
    let (one, other) = (samples::environment(&user.id), samples::environment(&user.id));
    store.environment_insert(&one).await.unwrap();
    store.environment_insert(&other).await.unwrap();

    let (b, a) = (samples::secret(&one.id, "B"), samples::secret(&one.id, "A"));
    let elsewhere = samples::secret(&other.id, "A");
    for secret in [&b, &a, &elsewhere] {
        assert_eq!(store.secret_put(secret).await.unwrap(), *secret);
    }
    assert!(is_absent(&store.secret_put(&samples::secret(&EnvironmentId::random(), "A")).await));
    assert_eq!(store.secret_list(&one.id).await.unwrap(), [a.clone(), b.clone()], "by name");
    assert!(store.secret_list(&EnvironmentId::random()).await.unwrap().is_empty());

    let again = samples::secret(&one.id, "A");
    let expected = SecretRecord { created_at: a.created_at, ..again.clone() };
    assert_eq!(store.secret_put(&again).await.unwrap(), expected, "it was made when it was");
    assert_eq!(store.secret_list(&one.id).await.unwrap(), [expected.clone(), b.clone()]);

    let mut all: Vec<SecretRecord> = Vec::new();
    loop {
        let after = all.last().map(|s| (&s.environment, &s.name));
        let page = store.secret_list_all(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let mut sorted = vec![expected.clone(), b.clone(), elsewhere.clone()];
    sorted.sort_by(|x, y| (&x.environment, &x.name).cmp(&(&y.environment, &y.name)));
    assert_eq!(all, sorted);

    let anew = SecretRecord { sealed: vec![9; 40], ..expected.clone() };
    assert!(!store.secret_reseal(&anew, &a.sealed).await.unwrap(), "another value was set meanwhile");
    assert!(store.secret_reseal(&anew, &expected.sealed).await.unwrap());
    assert_eq!(store.secret_list(&one.id).await.unwrap()[0], anew);

    let name: SecretName = samples::parse("A");
    assert!(store.secret_remove(&one.id, &name).await.unwrap());
    assert!(!store.secret_remove(&one.id, &name).await.unwrap());
    assert_eq!(store.secret_list(&one.id).await.unwrap(), [b]);
    store.environment_remove(&one.id).await.unwrap();
    assert!(store.secret_list(&one.id).await.unwrap().is_empty(), "they go with their environment");
    assert_eq!(store.secret_list(&other.id).await.unwrap(), [elsewhere]);
}
