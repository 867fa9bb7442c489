import com.fasterxml.jackson.databind.*;
import com.google.common.base.Predicate;
import com.google.common.collect.ImmutableMap;
import org.apache.druid.indexer.*;
import org.apache.druid.indexing.common.TaskToolbox;
import org.apache.druid.indexing.common.actions.TaskActionClient;
import org.apache.druid.indexing.common.config.TaskConfig;
import org.apache.druid.indexing.common.task.*;
import org.apache.druid.indexing.overlord.*;
import org.apache.druid.indexing.overlord.autoscaling.*;
import org.apache.druid.indexing.overlord.config.WorkerTaskRunnerConfig;
import org.apache.druid.indexing.overlord.setup.*;
import org.apache.druid.indexing.worker.Worker;
import org.apache.druid.jackson.DefaultObjectMapper;
import org.apache.druid.java.util.emitter.EmittingLogger;
import org.apache.druid.java.util.emitter.core.NoopEmitter;
import org.apache.druid.java.util.emitter.service.ServiceEmitter;
import org.joda.time.*;
import java.io.*;
import java.lang.reflect.Proxy;
import java.util.*;

/** Asks Druid's own select and provisioning strategies; one JSON request a line, one JSON answer a line. */
public class WorkersJudge {
  static final ObjectMapper JSON = new DefaultObjectMapper();

  public static void main(String[] args) throws Exception {
    EmittingLogger.registerEmitter(new ServiceEmitter("judge", "localhost", new NoopEmitter()));
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      Object answer;
      try {
        JsonNode request = JSON.readTree(line);
        answer = request.has("events") ? new Course(request).run() : select(request);
      } catch (Throwable e) {
        answer = ImmutableMap.of("error", String.valueOf(e));
      }
      out.println(JSON.writeValueAsString(answer));
    }
  }

  static <T> T read(JsonNode node, Class<T> cls) throws IOException {
    return JSON.treeToValue(node, cls);
  }

  static Object select(JsonNode request) throws IOException {
    WorkerSelectStrategy strategy = read(request.get("strategy"), WorkerSelectStrategy.class);
    Map<String, ImmutableWorkerInfo> workers = new LinkedHashMap<>();
    for (JsonNode node : request.get("workers")) {
      ImmutableWorkerInfo info = read(node, ImmutableWorkerInfo.class);
      workers.put(info.getWorker().getHost(), info);
    }
    JsonNode task = request.get("task");
    ImmutableWorkerInfo found = strategy.findWorkerForTask(
        read(request.get("config"), WorkerTaskRunnerConfig.class), ImmutableMap.copyOf(workers),
        new Some(task.get("id").asText(), task.get("type").asText(), task.get("dataSource").asText(),
                 task.get("group").asText(), task.get("slots").asInt()));
    Map<String, Object> answer = new HashMap<>();
    answer.put("host", found == null ? null : found.getWorker().getHost());
    answer.put("strategy", JSON.readTree(JSON.writerFor(WorkerSelectStrategy.class).writeValueAsString(strategy)));
    return answer;
  }

  /** A task of any type. */
  static class Some extends AbstractTask {
    final String type;
    Some(String id, String type, String dataSource, String group, int slots) {
      super(id, id, new TaskResource(group, slots), dataSource, null);
      this.type = type;
    }
    public String getType() { return type; }
    public boolean isReady(TaskActionClient client) { return true; }
    public void stopGracefully(TaskConfig config) {}
    public TaskStatus runTask(TaskToolbox toolbox) { return null; }
  }

  static class Item extends TaskRunnerWorkItem {
    Item(String id, long since) { super(id, null, new DateTime(since), new DateTime(since)); }
    public TaskLocation getLocation() { return TaskLocation.unknown(); }
    public String getTaskType() { return "noop"; }
    public String getDataSource() { return "ds"; }
  }

  /** A course of events, with a runner and an autoscaler that only note what is asked of them. */
  static class Course {
    final JsonNode request;
    final List<Object> calls = new ArrayList<>();
    final Map<String, ImmutableWorkerInfo> workers = new LinkedHashMap<>();
    final Map<String, Long> completed = new HashMap<>();
    final List<Worker> lazy = new ArrayList<>();
    final Map<String, Long> pending = new LinkedHashMap<>();
    final List<String> coming = new ArrayList<>();
    final Set<String> going = new LinkedHashSet<>();
    final long start = System.currentTimeMillis();
    long now = 0;
    int made = 0;
    int tasks = 0;

    Course(JsonNode request) { this.request = request; }

    Object run() throws IOException {
      DateTimeUtils.setCurrentMillisFixed(start);
      WorkerTaskRunner runner = (WorkerTaskRunner) Proxy.newProxyInstance(
          WorkersJudge.class.getClassLoader(), new Class[]{WorkerTaskRunner.class}, (p, m, a) -> asked(m.getName(), a));
      AutoScaler<?> scaler = (AutoScaler<?>) Proxy.newProxyInstance(
          WorkersJudge.class.getClassLoader(), new Class[]{AutoScaler.class}, (p, m, a) -> scale(m.getName(), a));
      WorkerBehaviorConfig behavior =
          new DefaultWorkerBehaviorConfig(read(request.get("strategy"), WorkerSelectStrategy.class), scaler);
      ProvisioningSchedulerConfig never = new ProvisioningSchedulerConfig();
      JsonNode config = request.get("config");
      Provisioner provisioner = request.get("kind").asText().equals("simple")
          ? new SimpleWorkerProvisioningStrategy(
              read(config, SimpleWorkerProvisioningConfig.class), () -> behavior, never, () -> null).makeProvisioner(runner)
          : new PendingTaskBasedWorkerProvisioningStrategy(
              read(config, PendingTaskBasedWorkerProvisioningConfig.class), () -> behavior, never, () -> null).makeProvisioner(runner);
      for (JsonNode event : request.get("events")) {
        happen(event, provisioner);
      }
      return calls;
    }

    void happen(JsonNode event, Provisioner provisioner) {
      switch (event.get(0).asText()) {
        case "task": pending.put("t" + tasks++, now); break;
        case "task ends": pending.keySet().stream().findFirst().ifPresent(pending::remove); break;
        case "advance":
          now += event.get(1).asLong();
          DateTimeUtils.setCurrentMillisFixed(start + now);
          break;
        case "boot":
          for (String ip : coming) { put(ip, 0, "1"); completed.put(ip, now); }
          coming.clear();
          break;
        case "gone":
          for (String ip : going) { workers.remove(ip + ":8091"); lazy.removeIf(w -> w.getIp().equals(ip)); }
          going.clear();
          break;
        case "worker": {
          String ip = event.get(1).asText();
          put(ip, event.get(2).asInt(), event.get(3).asText());
          completed.putIfAbsent(ip, now);
          break;
        }
        case "provision": calls.add(Arrays.asList("provision", provisioner.doProvision())); break;
        case "terminate": calls.add(Arrays.asList("terminate", provisioner.doTerminate())); break;
        default: throw new IllegalArgumentException(event.toString());
      }
    }

    void put(String ip, int used, String version) {
      Worker worker = new Worker("http", ip + ":8091", ip, request.get("capacity").asInt(), version, "_default_worker_category");
      workers.put(worker.getHost(), new ImmutableWorkerInfo(
          worker, used, 0, Collections.emptyMap(), Collections.emptySet(), Collections.emptySet(), new DateTime(0), null));
    }

    /** Idleness is measured by the machine's own clock. */
    ImmutableWorkerInfo dated(ImmutableWorkerInfo info) {
      long idle = now - completed.get(info.getWorker().getIp());
      return new ImmutableWorkerInfo(info.getWorker(), info.getCurrCapacityUsed(), 0, Collections.emptyMap(),
          Collections.emptySet(), Collections.emptySet(), new DateTime(System.currentTimeMillis() - idle), null);
    }

    Object asked(String method, Object[] arguments) {
      switch (method) {
        case "getWorkers": {
          List<ImmutableWorkerInfo> all = new ArrayList<>();
          for (ImmutableWorkerInfo info : workers.values()) { all.add(dated(info)); }
          return all;
        }
        case "getLazyWorkers": return new ArrayList<>(lazy);
        case "markWorkersLazy": {
          for (ImmutableWorkerInfo info : workers.values()) {
            boolean idle = info.getCurrCapacityUsed() == 0 && !lazy.contains(info.getWorker());
            if (lazy.size() < (Integer) arguments[1] && idle && ((Predicate<ImmutableWorkerInfo>) arguments[0]).apply(dated(info))) {
              lazy.add(info.getWorker());
            }
          }
          return new ArrayList<>(lazy);
        }
        case "getConfig": return new WorkerTaskRunnerConfig();
        case "getPendingTasks": {
          List<Item> items = new ArrayList<>();
          pending.forEach((id, since) -> items.add(new Item(id, System.currentTimeMillis() - (now - since))));
          return items;
        }
        case "getPendingTaskPayloads": {
          List<Task> payloads = new ArrayList<>();
          pending.keySet().forEach(id -> payloads.add(new Some(id, "noop", "ds", id, 1)));
          return payloads;
        }
        default: throw new UnsupportedOperationException(method);
      }
    }

    Object scale(String method, Object[] arguments) {
      switch (method) {
        case "getMinNumWorkers": return request.get("min").asInt();
        case "getMaxNumWorkers": return request.get("max").asInt();
        case "provision": {
          String ip = "new" + made++;
          coming.add(ip);
          calls.add(Arrays.asList("made", ip));
          return new AutoScalingData(Collections.singletonList("node-" + ip));
        }
        case "terminate":
          going.addAll((List<String>) arguments[0]);
          calls.add(Arrays.asList("ended", arguments[0]));
          return new AutoScalingData(ids((List<String>) arguments[0]));
        case "terminateWithIds": {
          List<String> sorted = new ArrayList<>((List<String>) arguments[0]);
          Collections.sort(sorted);
          for (String id : sorted) { coming.remove(id.substring("node-".length())); }
          calls.add(Arrays.asList("given up", sorted));
          return new AutoScalingData(sorted);
        }
        case "ipToIdLookup": return ids((List<String>) arguments[0]);
        default: throw new UnsupportedOperationException(method);
      }
    }

    static List<String> ids(List<String> ips) {
      List<String> ids = new ArrayList<>();
      for (String ip : ips) { ids.add("node-" + ip); }
      return ids;
    }
  }
}
