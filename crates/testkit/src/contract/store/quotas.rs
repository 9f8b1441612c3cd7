use atoll_ports::{Store, StoreError};
use atoll_types::{QuotaOverride, UserId};

use super::user_in;

pub(super) async fn overrides(store: &dyn Store) {
    let user = user_in(store).await.id;
    assert_eq!(store.quota_list().await.unwrap(), []);
    let quota = QuotaOverride {
        sandboxes: Some(u64::from(u32::MAX)),
        egress_bytes: Some(7),
        ..QuotaOverride::default()
    };
    store.quota_put(&user, &quota).await.unwrap();
    let quota = QuotaOverride { cpu_millis: Some(1), ..quota };
    store.quota_put(&user, &quota).await.unwrap();
    assert_eq!(store.quota_list().await.unwrap(), [(user.clone(), quota)]);
    store.quota_put(&user, &QuotaOverride::default()).await.unwrap();
    assert_eq!(store.quota_list().await.unwrap(), []);
    let nobody = store.quota_put(&UserId::random(), &quota).await;
    assert!(matches!(nobody, Err(StoreError::Absent { .. })), "{nobody:?}");
}

pub(super) async fn egress(store: &dyn Store) {
    let user = user_in(store).await.id;
    store.egress_add(202_611, vec![(user.clone(), 5), (UserId::random(), 9)]).await.unwrap();
    store.egress_add(202_611, vec![(user.clone(), 6)]).await.unwrap();
    store.egress_add(202_612, vec![(user.clone(), 1)]).await.unwrap();
    assert_eq!(store.egress_list(202_611).await.unwrap(), [(user, 11)]);
    assert_eq!(store.egress_list(202_601).await.unwrap(), []);
}
