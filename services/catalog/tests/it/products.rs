//! Products: import, search, pages.

use omnimesh_kit::testing::BACKENDS;
use omnimesh_proto::{
    catalog::v1::{GetProductRequest, ImportOutcome, ListProductsRequest, Price, Product},
    common::v1::Channel,
};

use crate::mesh::{admin, customer, empty, lira, reason, stocked};

fn product(sku: &str, name: &str, units: i64) -> Product {
    Product {
        sku: sku.to_owned(),
        name: name.to_owned(),
        prices: vec![Price { amount: lira(units), ..Price::default() }],
        ..Product::default()
    }
}

#[tokio::test]
async fn an_import_answers_each_product_in_order_and_survives_bad_ones() {
    for backend in BACKENDS {
        let mesh = empty(backend).await;
        let sent = vec![
            product("a", "Tea", 1),
            product("A", "Other tea", 1),
            product("", "No SKU", 1),
            product("b", "  kept as  given ", 1),
            product("a", "Tea", 1),
            product("a", "Tea", 2),
            product("c", "Negative", -1),
            product("d", "Çay", 1),
        ];
        let answers = mesh.import(sent).await;
        let outcomes: Vec<_> =
            answers.iter().map(|answer| (answer.index, answer.sku.as_str(), answer.outcome())).collect();
        use ImportOutcome as Outcome;
        assert_eq!(
            outcomes,
            [
                (0, "a", Outcome::Created),
                (1, "A", Outcome::Created),
                (2, "", Outcome::Refused),
                (3, "b", Outcome::Created),
                (4, "a", Outcome::Unchanged),
                (5, "a", Outcome::Updated),
                (6, "c", Outcome::Refused),
                (7, "d", Outcome::Created),
            ]
        );
        assert_eq!(answers[6].refusal, "prices[0].amount: must not be negative");

        let get = |sku: &str| GetProductRequest { sku: sku.to_owned() };
        let a = mesh.catalog(&admin()).get_product(get("a")).await.unwrap().into_inner().product.unwrap();
        assert_eq!(a.prices[0].amount, lira(2));
        let b = mesh.catalog(&admin()).get_product(get("b")).await.unwrap().into_inner().product.unwrap();
        assert_eq!((b.name.as_str(), b.tax_category.as_str(), b.version), ("  kept as  given ", "standard", 1));
        let missing = mesh.catalog(&admin()).get_product(get("c")).await.unwrap_err();
        assert_eq!((missing.code(), reason(&missing)), (tonic::Code::NotFound, "NOT_FOUND".to_owned()));
    }
}

#[tokio::test]
async fn importing_twice_changes_nothing_and_tells_nobody() {
    for backend in BACKENDS {
        let mesh = empty(backend).await;
        // More than a batch, so that batches meet.
        let many: Vec<_> = (0..450).map(|n| product(&format!("sku-{n:03}"), &format!("Product {n}"), n)).collect();
        assert!(mesh.import(many.clone()).await.iter().all(|answer| answer.outcome() == ImportOutcome::Created));
        assert_eq!(mesh.events().await.len(), 450);
        let again = mesh.import(many.clone()).await;
        assert!(again.iter().all(|answer| answer.outcome() == ImportOutcome::Unchanged));
        assert_eq!(again.iter().map(|answer| answer.index).collect::<Vec<_>>(), (0..450).collect::<Vec<_>>());
        assert_eq!(mesh.events().await.len(), 450);

        let changed = Product { discontinued: true, ..many[7].clone() };
        assert_eq!(mesh.import(vec![changed]).await[0].outcome(), ImportOutcome::Updated);
        let last = mesh.events().await.pop().unwrap();
        assert_eq!(last, ("omnimesh.catalog.v1.ProductChanged".to_owned(), "product:sku-007".to_owned(), 2));
    }
}

#[tokio::test]
async fn words_are_found_by_their_beginnings_in_any_writing() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let cases: [(&str, &[&str]); 8] = [
            ("cay", &["TEA-GLASS-6", "TEA-RIZE-500", "TEAPOT-2L"]),
            ("ÇAYI rız", &["TEA-RIZE-500"]),
            ("çaydan", &["TEAPOT-2L"]),
            ("tea-gl", &["TEA-GLASS-6"]),
            ("BAKIR cezve", &["CEZVE-COPPER"]),
            ("bakır çay", &[]),
            ("ezve", &[]),
            ("!!", &[]),
        ];
        for (query, expected) in cases {
            let request = ListProductsRequest { query: query.to_owned(), ..ListProductsRequest::default() };
            let found =
                mesh.catalog(&customer(Channel::Web)).list_products(request).await.unwrap().into_inner().products;
            let found: Vec<_> = found.iter().map(|product| product.sku.as_str()).collect();
            assert_eq!(found, expected, "{query}");
        }
        let skus = vec!["GIFT-WRAP".to_owned(), "none".to_owned(), "BOOK-MADONNA".to_owned()];
        let request = ListProductsRequest { skus, ..ListProductsRequest::default() };
        let found = mesh.catalog(&admin()).list_products(request).await.unwrap().into_inner().products;
        assert_eq!(found.iter().map(|product| product.sku.as_str()).collect::<Vec<_>>(), ["BOOK-MADONNA", "GIFT-WRAP"]);
    }
}

#[tokio::test]
async fn pages_hold_every_product_once_and_their_tokens_are_the_callers() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let mut request = ListProductsRequest { page_size: 5, ..ListProductsRequest::default() };
        let mut seen = Vec::new();
        let mut first_token = String::new();
        loop {
            let page = mesh.catalog(&customer(Channel::Web)).list_products(request.clone()).await.unwrap().into_inner();
            seen.extend(page.products.into_iter().map(|product| product.sku));
            if page.next_page_token.is_empty() {
                break;
            }
            if first_token.is_empty() {
                first_token.clone_from(&page.next_page_token);
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(seen.len(), 12);
        assert!(seen.is_sorted_by(|a, b| a < b));
        let stolen = ListProductsRequest { page_token: first_token.clone(), page_size: 5, ..Default::default() };
        let refused = mesh.catalog(&admin()).list_products(stolen).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_PAGE_TOKEN");
        let other = ListProductsRequest { page_token: first_token, query: "tea".to_owned(), ..Default::default() };
        let refused = mesh.catalog(&customer(Channel::Web)).list_products(other).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_PAGE_TOKEN");
    }
}
