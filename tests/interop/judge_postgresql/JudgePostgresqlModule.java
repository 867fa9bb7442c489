package nemeton.judge;

import com.google.common.base.Supplier;
import com.google.inject.Binder;
import com.google.inject.Inject;
import com.google.inject.Key;
import java.util.Set;
import org.apache.commons.dbcp2.BasicDataSource;
import org.apache.druid.guice.LazySingleton;
import org.apache.druid.guice.PolyBind;
import org.apache.druid.guice.SQLMetadataStorageDruidModule;
import org.apache.druid.initialization.DruidModule;
import org.apache.druid.metadata.MetadataStorageActionHandlerFactory;
import org.apache.druid.metadata.MetadataStorageConnector;
import org.apache.druid.metadata.MetadataStorageConnectorConfig;
import org.apache.druid.metadata.MetadataStorageProvider;
import org.apache.druid.metadata.MetadataStorageTablesConfig;
import org.apache.druid.metadata.NoopMetadataStorageProvider;
import org.apache.druid.metadata.PostgreSQLMetadataStorageActionHandlerFactory;
import org.apache.druid.metadata.SQLMetadataConnector;
import org.apache.druid.segment.metadata.CentralizedDatasourceSchemaConfig;
import org.skife.jdbi.v2.DBI;
import org.skife.jdbi.v2.Handle;

/** PostgreSQL for the judge, whose own extension is on no registry: as much of it as a test cluster needs. */
public class JudgePostgresqlModule extends SQLMetadataStorageDruidModule implements DruidModule {
  private static final String TYPE = "postgresql";

  public JudgePostgresqlModule() {
    super(TYPE);
  }

  @Override
  public void configure(Binder binder) {
    super.configure(binder);
    bind(binder, MetadataStorageProvider.class, NoopMetadataStorageProvider.class);
    bind(binder, MetadataStorageConnector.class, Connector.class);
    bind(binder, SQLMetadataConnector.class, Connector.class);
    bind(binder, MetadataStorageActionHandlerFactory.class, PostgreSQLMetadataStorageActionHandlerFactory.class);
  }

  private static <T> void bind(Binder binder, Class<T> what, Class<? extends T> to) {
    PolyBind.optionBinder(binder, Key.get(what)).addBinding(TYPE).to(to).in(LazySingleton.class);
  }

  /** The connector. */
  public static class Connector extends SQLMetadataConnector {
    private final DBI dbi;

    @Inject
    public Connector(
        Supplier<MetadataStorageConnectorConfig> config,
        Supplier<MetadataStorageTablesConfig> tables,
        CentralizedDatasourceSchemaConfig schemas) {
      super(config, tables, schemas);
      BasicDataSource source = getDatasource();
      source.setDriverClassLoader(getClass().getClassLoader());
      source.setDriverClassName("org.postgresql.Driver");
      dbi = new DBI(source);
    }

    @Override
    public DBI getDBI() {
      return dbi;
    }

    @Override
    public String getPayloadType() {
      return "BYTEA";
    }

    @Override
    public String getSerialType() {
      return "BIGSERIAL";
    }

    @Override
    public String getQuoteString() {
      return "\"";
    }

    @Override
    public int getStreamingFetchSize() {
      return 100;
    }

    @Override
    public String limitClause(int limit) {
      return "LIMIT " + limit;
    }

    @Override
    public boolean tableExists(Handle handle, String name) {
      String found = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'public' AND tablename = lower(:name)";
      return !handle.select(found.replace(":name", "?"), name).isEmpty();
    }

    @Override
    public Set<String> getIndexOnTable(String table) {
      return super.getIndexOnTable(table.toLowerCase());
    }

    @Override
    protected boolean tableHasColumn(String table, String column) {
      return super.tableHasColumn(table.toLowerCase(), column);
    }
  }
}
