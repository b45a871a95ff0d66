//! Pages can be opened anywhere and do nothing.

use serde_json::json;

use super::support::{House, spec};

const EVIL: &str = "\u{202e}<script>alert(1)</script>\"'&";

/// T161
#[tokio::test]
async fn a_page_is_whole_has_no_script_and_shows_nothing_unescaped() {
    let house = House::new();
    let mut record = spec("EX-1");
    record["owner"]["human"] = json!(EVIL);
    record["rationale"] = json!(EVIL);
    record["ticket"] = json!("javascript:alert(1)");
    record["subject"]["agents"] = json!(["<img src=x onerror=alert(1)>"]);
    let charge = house.approved(record).await;
    house.call(1, Some(&charge)).await;
    let (register, _) = house.counted().await;
    let sprawl = house.sprawl(30).await;
    for page in [register.html(), sprawl.html()] {
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        assert!(page.contains("default-src 'none'") && page.contains("@media print"));
        assert!(page.contains("&lt;script&gt;"), "the text is there");
        let lower = page.to_lowercase();
        for forbidden in ["<script", "<img", "<link", "<iframe", " onerror=", " src=", " href=", "url(", "\u{202e}"] {
            let harmless = lower.replace("&lt;img src=x onerror=alert(1)&gt;", "");
            assert!(!harmless.contains(forbidden), "{forbidden}");
        }
        let outside = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http://") && !outside.contains("https://"), "nothing from elsewhere");
    }
}

#[tokio::test]
async fn the_page_of_sprawl_has_its_plots() {
    let house = House::new();
    let charge = house.approved(spec("EX-1")).await;
    house.call(1, Some(&charge)).await;
    let page = house.sprawl(30).await.html();
    assert_eq!(page.matches("<svg ").count(), 5);
    assert_eq!(page.matches("<svg ").count(), page.matches("</svg>").count());
    for title in ["Decisions by day", "Exceptions by state", "Active by kind", "Active by owner", "Active by age"] {
        assert!(page.contains(title), "{title}");
    }
    let empty = House::new().sprawl(1).await.html();
    assert!(empty.contains("</html>"), "one day without exceptions is a page too");
}
