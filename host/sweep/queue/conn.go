package queue

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Access is how a server is reached, as NATS has it. User and password, or a
// token, can stand in the URL.
type Access struct {
	URL     string
	Creds   string // file of a user's credentials
	CA      string // file with the authorities that a server's certificate is held against
	Cert    string // this side's certificate and key
	Key     string
	Name    string
	Patient bool // wait for a server that is not there yet

	Note func(format string, args ...any) // why it is waited; may be nil
}

func (a Access) options() ([]nats.Option, error) {
	opts := []nats.Option{nats.Name(a.Name), nats.MaxReconnects(-1), nats.ReconnectWait(500 * time.Millisecond), nats.Timeout(5 * time.Second)}
	for _, path := range []string{a.Creds, a.CA, a.Cert, a.Key} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
	}
	if (a.Cert == "") != (a.Key == "") {
		return nil, fmt.Errorf("%w: a certificate and its key go together", ErrQueue)
	}
	if a.Creds != "" {
		opts = append(opts, nats.UserCredentials(a.Creds))
	}
	if a.CA != "" {
		opts = append(opts, nats.RootCAs(a.CA))
	}
	if a.Cert != "" {
		opts = append(opts, nats.ClientCert(a.Cert, a.Key))
	}
	return opts, nil
}

// Place is the URL without user, password or token.
func (a Access) Place() string { return redacted(a.URL) }

// Connect connects to a server.
func (a Access) Connect() (*nats.Conn, error) {
	opts, err := a.options()
	if err != nil {
		return nil, err
	}
	if a.Patient && a.Note != nil {
		said := ""
		opts = append(opts, nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if text := err.Error(); text != said {
				said = text
				a.Note("waiting for %s: %s", a.Place(), text)
			}
		}))
	}
	return a.connect(append(opts, nats.RetryOnFailedConnect(a.Patient)))
}

func (a Access) connect(opts []nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(a.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrQueue, redacted(a.URL), err)
	}
	return nc, nil
}

// redacted is a URL without user, password or token.
func redacted(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		scheme, rest = "nats", url
	}
	if _, host, ok := strings.Cut(rest, "@"); ok {
		rest = host
	}
	return scheme + "://" + rest
}

// Server is a NATS server inside this program.
type Server struct{ ns *server.Server }

// ServerOptions of [Serve].
type ServerOptions struct {
	Addr   string // HOST:PORT, :PORT or PORT; without a host the loopback address
	Config string // a server's configuration file: TLS, accounts, users; may be empty
	Dir    string // where streams are kept
}

// DefaultPort is that of NATS.
const DefaultPort = "4222"

// Serve starts a server with JetStream. Without a configuration file, and so
// without users and TLS, it listens on a loopback address only.
func Serve(o ServerOptions) (*Server, error) {
	opts := &server.Options{}
	if o.Config != "" {
		var err error
		if opts, err = server.ProcessConfigFile(o.Config); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrQueue, o.Config, err)
		}
	}
	host, port, err := listenAddress(o.Addr)
	if err != nil {
		return nil, err
	}
	if o.Config == "" && !loopback(host) {
		return nil, fmt.Errorf("%w: %s can be reached from elsewhere and has neither users nor TLS: give a NATS configuration file that has, or a loopback address", ErrQueue, o.Addr)
	}
	opts.Host, opts.Port = host, port
	opts.JetStream, opts.StoreDir = true, o.Dir
	opts.NoSigs, opts.NoLog = true, true
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrQueue, err)
	}
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		ns.Shutdown()
		ns.WaitForShutdown()
		return nil, fmt.Errorf("%w: no server can be started on %s", ErrQueue, net.JoinHostPort(host, fmt.Sprint(port)))
	}
	return &Server{ns}, nil
}

// listenAddress reads HOST:PORT, :PORT, HOST or PORT; port 0 takes any.
func listenAddress(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	switch {
	case err != nil && strings.Trim(addr, "0123456789") == "" && addr != "":
		host, p = "", addr
	case err != nil:
		host, p = addr, DefaultPort
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if p == "0" {
		return host, server.RANDOM_PORT, nil
	}
	port, err = net.LookupPort("tcp", p)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %q is no address, want HOST:PORT", ErrQueue, addr)
	}
	return host, port, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// URL is where clients connect.
func (s *Server) URL() string { return s.ns.ClientURL() }

// Connect connects without a socket.
func (s *Server) Connect(a Access) (*nats.Conn, error) {
	opts, err := a.options()
	if err != nil {
		return nil, err
	}
	a.URL = s.URL()
	return a.connect(append(opts, nats.InProcessServer(s.ns)))
}

// Close stops the server and waits until it has ended.
func (s *Server) Close() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

// isOneOf reports whether an error is one of some.
func isOneOf(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
