-- The one schema. `tenant` comes first in every key; times are milliseconds since 1970; documents are JSON.
CREATE TABLE investigations (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  asked TEXT NOT NULL, -- what a list shows
  question TEXT NOT NULL,
  answer TEXT NOT NULL,
  recording TEXT NOT NULL, -- what else the answer rests on
  views TEXT, -- what the views held of it, packed
  PRIMARY KEY (tenant, id)
);
CREATE INDEX investigations_latest ON investigations (tenant, asked_at, id);

CREATE TABLE repositories (
  tenant TEXT NOT NULL,
  service TEXT NOT NULL,
  repository TEXT NOT NULL,
  PRIMARY KEY (tenant, service)
);

-- Incidents as they last were; `live` is 1 while the views have them.
CREATE TABLE incidents (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  shard TEXT NOT NULL,
  live BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  incident TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX incidents_latest ON incidents (tenant, started_at, id);

-- Which process brings the incidents of a shard, how far it has come, and whose they are.
CREATE TABLE followed (
  shard TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  epoch BIGINT NOT NULL
);
CREATE TABLE followed_tenants (
  shard TEXT NOT NULL,
  tenant TEXT NOT NULL,
  PRIMARY KEY (shard, tenant)
);

-- What is remembered of incidents that are over; `lesson` is what people have added, or empty.
CREATE TABLE cases (
  tenant TEXT NOT NULL,
  incident TEXT NOT NULL,
  last_at BIGINT NOT NULL,
  remembered TEXT NOT NULL,
  lesson TEXT NOT NULL,
  PRIMARY KEY (tenant, incident)
);
CREATE INDEX cases_latest ON cases (tenant, last_at, incident);

-- Money in millionths of a dollar: what a day has cost and has set aside, and what is set aside for what until when.
CREATE TABLE spending (
  tenant TEXT NOT NULL,
  day BIGINT NOT NULL, -- days since 1970, UTC
  spent BIGINT NOT NULL,
  reserved BIGINT NOT NULL,
  PRIMARY KEY (tenant, day)
);
CREATE TABLE reservations (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  day BIGINT NOT NULL,
  purpose TEXT NOT NULL,
  usd_micros BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE TABLE purposes (
  tenant TEXT NOT NULL,
  month BIGINT NOT NULL, -- months since 1970, UTC
  purpose TEXT NOT NULL,
  spent BIGINT NOT NULL,
  PRIMARY KEY (tenant, month, purpose)
);

-- Words of people for one action each; `used_at` is 0 until it is used.
CREATE TABLE approvals (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  approval TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
);

-- What was decided in investigations; `told` is 1 once the audit stream has it.
CREATE TABLE audit (
  tenant TEXT NOT NULL,
  investigation TEXT NOT NULL,
  number BIGINT NOT NULL,
  at BIGINT NOT NULL,
  told BIGINT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (tenant, investigation, number)
);
CREATE INDEX audit_untold ON audit (tenant, told, at);

-- Tenants with decisions that were not told yet; `marks` grows with each investigation.
CREATE TABLE audited (
  tenant TEXT NOT NULL PRIMARY KEY,
  marks BIGINT NOT NULL
);
