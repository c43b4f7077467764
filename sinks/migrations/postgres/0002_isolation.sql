-- Lists are in the order of bytes, as they are in SQLite.
ALTER TABLE investigations ALTER COLUMN id TYPE TEXT COLLATE "C";
ALTER TABLE repositories ALTER COLUMN service TYPE TEXT COLLATE "C";
ALTER TABLE incidents ALTER COLUMN id TYPE TEXT COLLATE "C";
ALTER TABLE audit ALTER COLUMN investigation TYPE TEXT COLLATE "C";
ALTER TABLE cases ALTER COLUMN incident TYPE TEXT COLLATE "C";
ALTER TABLE purposes ALTER COLUMN purpose TYPE TEXT COLLATE "C";

-- A transaction sees and writes the rows of the tenant that it names, and without a tenant no row. Forced, so that it
-- holds for the owner too; a role with BYPASSRLS or SUPERUSER is refused at the start.
ALTER TABLE investigations ENABLE ROW LEVEL SECURITY;
ALTER TABLE investigations FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON investigations USING (tenant = current_setting('app.tenant', true));
ALTER TABLE repositories ENABLE ROW LEVEL SECURITY;
ALTER TABLE repositories FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON repositories USING (tenant = current_setting('app.tenant', true));
ALTER TABLE incidents ENABLE ROW LEVEL SECURITY;
ALTER TABLE incidents FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON incidents USING (tenant = current_setting('app.tenant', true));
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON audit USING (tenant = current_setting('app.tenant', true));
ALTER TABLE cases ENABLE ROW LEVEL SECURITY;
ALTER TABLE cases FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON cases USING (tenant = current_setting('app.tenant', true));
ALTER TABLE spending ENABLE ROW LEVEL SECURITY;
ALTER TABLE spending FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON spending USING (tenant = current_setting('app.tenant', true));
ALTER TABLE reservations ENABLE ROW LEVEL SECURITY;
ALTER TABLE reservations FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON reservations USING (tenant = current_setting('app.tenant', true));
ALTER TABLE purposes ENABLE ROW LEVEL SECURITY;
ALTER TABLE purposes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON purposes USING (tenant = current_setting('app.tenant', true));
ALTER TABLE approvals ENABLE ROW LEVEL SECURITY;
ALTER TABLE approvals FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON approvals USING (tenant = current_setting('app.tenant', true));
