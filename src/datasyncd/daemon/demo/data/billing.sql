-- Billing: who pays for what. Its word on a subscription counts.
CREATE TABLE subscriptions (
    id     INTEGER PRIMARY KEY,
    email  TEXT NOT NULL UNIQUE,
    plan   TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'cancelled'))
);
INSERT INTO subscriptions VALUES
    (901, 'nora@example.com', 'beans monthly', 'active'),
    (904, 'sam@example.com',  'beans monthly', 'active');
