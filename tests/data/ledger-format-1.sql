-- The ledger as the version before migration 2 makes it: PRAGMA user_version = 1.
CREATE TABLE intents (
    id TEXT PRIMARY KEY, twin_key TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, account TEXT,
    task_type TEXT NOT NULL, source_asset_id TEXT NOT NULL, parent_task_id TEXT NOT NULL, text_prompt TEXT,
    seconds INTEGER NOT NULL, explore_mode INTEGER NOT NULL, seed INTEGER NOT NULL, own_seed INTEGER NOT NULL,
    reply_ref TEXT NOT NULL, own_ref INTEGER NOT NULL, cost INTEGER NOT NULL, lease REAL NOT NULL,
    task_id TEXT UNIQUE, status TEXT, ended REAL, told REAL, failure_kind TEXT, failure_message TEXT,
    callback_token TEXT UNIQUE
);
CREATE INDEX intents_by_twin ON intents (twin_key, created);
CREATE INDEX intents_by_time ON intents (created);
CREATE INDEX intents_by_state ON intents (state, ended);
CREATE TABLE quotes (id TEXT PRIMARY KEY, covers TEXT NOT NULL, expires REAL NOT NULL, intent_id TEXT);
PRAGMA user_version = 1;
