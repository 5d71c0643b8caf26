import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Submits the statements of a SQL file to a Flink cluster and prints the id of the job that its INSERT starts.
 *
 * <p>Flink's SQL client would do, but needs the SQL gateway, which the Python distribution of Flink leaves out.
 * Arguments: the file, the host and the port of the JobManager's REST server, the jars that the job needs, parted by semicolons.
 */
public final class SubmitSql {
  public static void main(String[] args) throws Exception {
    Configuration configuration = new Configuration();
    configuration.setString("execution.target", "remote");
    configuration.setString("rest.address", args[1]);
    configuration.setString("rest.port", args[2]);
    configuration.setString("pipeline.jars", args[3]);
    configuration.setString("execution.attached", "false");
    TableEnvironment tables =
        TableEnvironment.create(EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(configuration).build());
    for (String statement : statements(Files.readString(Path.of(args[0])))) {
      if (statement.startsWith("SET ")) {
        String[] words = statement.substring(4).replace("'", "").split("=", 2);
        tables.getConfig().set(words[0].trim(), words[1].trim());
        continue;
      }
      TableResult result = tables.executeSql(statement);
      result.getJobClient().ifPresent(job -> System.out.println("Job ID: " + job.getJobID()));
    }
  }

  private static List<String> statements(String script) {
    String withoutComments = script.replaceAll("(?m)^--.*$", "");
    return java.util.Arrays.stream(withoutComments.split(";\\s*\\n")).map(String::strip).filter(text -> !text.isEmpty()).toList();
  }
}
