import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.beam.model.pipeline.v1.Endpoints.ApiServiceDescriptor;
import org.apache.beam.runners.flink.FlinkJobInvoker;
import org.apache.beam.runners.flink.FlinkJobServerDriver;
import org.apache.beam.runners.flink.FlinkJobServerDriver.FlinkServerConfiguration;
import org.apache.beam.runners.jobsubmission.JobServerDriver;
import org.apache.beam.sdk.fn.server.GrpcContextHeaderAccessorProvider;
import org.apache.beam.sdk.fn.server.ServerFactory;
import org.apache.beam.sdk.io.FileSystems;
import org.apache.beam.sdk.options.PipelineOptionsFactory;
import org.apache.beam.vendor.grpc.v1p60p1.io.grpc.BindableService;
import org.apache.beam.vendor.grpc.v1p60p1.io.grpc.Server;
import org.apache.beam.vendor.grpc.v1p60p1.io.grpc.ServerInterceptors;
import org.apache.beam.vendor.grpc.v1p60p1.io.grpc.netty.NettyServerBuilder;

/**
 * Beam's job server for Flink, with two differences: it listens on the loopback interface only, and it uploads no jars to
 * the cluster, which has the same jars on its own class path.
 */
public final class JobServer extends JobServerDriver {
  private JobServer(FlinkServerConfiguration configuration) {
    super(configuration, new Loopback(), new Loopback(), () -> FlinkJobInvoker.create(configuration));
  }

  public static void main(String[] arguments) {
    // What is uploaded with each job is what this property names. The JVM itself read it when it started.
    System.setProperty("java.class.path", "");
    FileSystems.setDefaultPipelineOptions(PipelineOptionsFactory.create());
    new JobServer(FlinkJobServerDriver.parseArgs(arguments)).run();
  }

  /** Beam's own factory takes the port of an address and listens on every interface. */
  private static final class Loopback extends ServerFactory {
    @Override
    public Server create(List<BindableService> services, ApiServiceDescriptor descriptor) throws IOException {
      String url = descriptor.getUrl();
      return serve(services, Integer.parseInt(url.substring(url.lastIndexOf(':') + 1)));
    }

    @Override
    public Server allocateAddressAndCreate(List<BindableService> services, ApiServiceDescriptor.Builder descriptor)
        throws IOException {
      Server server = serve(services, 0);
      descriptor.setUrl("127.0.0.1:" + server.getPort());
      return server;
    }

    private static Server serve(List<BindableService> services, int port) throws IOException {
      NettyServerBuilder builder =
          NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port))
              .maxInboundMessageSize(Integer.MAX_VALUE)
              .permitKeepAliveTime(20, TimeUnit.SECONDS);
      for (BindableService service : services) {
        builder.addService(ServerInterceptors.intercept(service, GrpcContextHeaderAccessorProvider.interceptor()));
      }
      return builder.build().start();
    }
  }
}
