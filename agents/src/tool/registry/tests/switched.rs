//! Tests of the kill switch.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_switch_ends_calls_under_way_and_stops_new_ones() {
    let scopes: [(Option<&str>, &str, bool); 7] = [
        (None, "tools", true),
        (Some("one"), "tools", true),
        (None, "a.b", true),
        (Some("one"), "a.b", true),
        (Some("two"), "tools", false),
        (None, "a.c", false),
        (None, "model", false),
    ];
    for (who, what, off) in scopes {
        let scope = || (who.map(tenant), What::named(what));
        let one = toolbox(&[Answer::Later(Duration::from_secs(5))], |_| {});
        let switch = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            one.tools.disable(scope().0, scope().1);
        };
        let (under_way, ()) = tokio::join!(one.call(json!({})), switch);
        let expected = if off { ("denied", Duration::from_secs(1)) } else { ("ok", Duration::from_secs(5)) };
        assert_eq!((under_way.status(), under_way.elapsed), expected, "{who:?} {what:?}");
        assert_eq!(one.call(json!({})).await.status(), expected.0);
        assert_eq!(one.asked(), if off { 1 } else { 2 });
        for _ in 0..10 {
            one.call(json!({})).await;
        }
        assert_eq!(one.state(), State::Closed, "it says nothing of the other side");
        one.tools.enable(scope().0, scope().1);
        assert_eq!(one.call(json!({})).await.status(), "ok");
    }
}
