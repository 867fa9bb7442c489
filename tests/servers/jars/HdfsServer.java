import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** A NameNode and a DataNode in one process, over a folder: java HdfsServer.java HTTP_PORT RPC_PORT FOLDER. */
public class HdfsServer {
  public static void main(String[] arguments) throws Exception {
    Configuration conf = new Configuration();
    File folder = new File(arguments[2]);
    boolean isNew = !folder.exists();
    conf.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.getPath());
    conf.setInt("dfs.blocksize", 1 << 20);
    conf.setInt("dfs.namenode.fs-limits.min-block-size", 1 << 10);
    conf.setInt("dfs.namenode.safemode.extension", 0);
    MiniDFSCluster cluster = new MiniDFSCluster.Builder(conf)
        .nameNodeHttpPort(Integer.parseInt(arguments[0]))
        .nameNodePort(Integer.parseInt(arguments[1]))
        .numDataNodes(1)
        .format(isNew)
        .build();
    cluster.waitClusterUp();
    System.out.println("ready");
    Thread.currentThread().join();
  }
}
