import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node with vectors: FOLDER PORT. The runner's own main knows no port above 9299. */
public final class OneNode {
    public static void main(String[] arguments) throws Exception {
        var runner = new OpenSearchRunner();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
        }));
        runner.setMaxHttpPort(-1); // no search for a free port
        runner.build(OpenSearchRunner.newConfigs()
            .basePath(arguments[0])
            .numOfNode(1)
            .baseHttpPort(Integer.parseInt(arguments[1]) - 1) // it adds the number of the node
            .pluginTypes("org.opensearch.knn.plugin.KNNPlugin"));
        Thread.currentThread().join();
    }
}
