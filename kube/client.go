// Package kube is the one door to the Kubernetes API server: reading, server-side apply, deleting, exec, logs and
// port-forward. Whatever passes it is throttled, names the tool as its user agent, and, if asked for, cannot write.
//
// Errors keep forbidden, absent, conflict, timed out, not authenticated and not reachable apart; see Error.
package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

// How many requests a Client sends unless told otherwise. What client-go gives by default (5 and 10) makes a command with a few
// hundred requests wait for half a minute. Nor need a client be the one that holds back: who has a few requests on their way at
// once, as this one does, is served in turn with others by the API server itself (API priority and fairness), which says so with
// 429 and Retry-After when it has enough, and is obeyed. So the limit is one for faults, not for everyday.
const (
	DefaultQPS   = 400
	DefaultBurst = 800
)

// Options say how a Client behaves. The zero value is fine.
type Options struct {
	QPS       float32   // requests per second, default DefaultQPS; negative: no limit
	Burst     int       // requests at once before QPS holds, default DefaultBurst
	ReadOnly  bool      // refuse every request that could change the cluster with ErrReadOnly, before it is sent
	Command   *Command  // refuse every request that is not in its table with ErrUnlisted, before it is sent; nil: none. ReadOnly holds unless it writes
	UserAgent string    // default "kubectl-egress"
	Warnings  io.Writer // where the API server's warnings go, each once; nil drops them
}

// Resource names a kind of objects as URLs do: group, version and plural.
type Resource = schema.GroupVersionResource

// Client talks to one API server. It is safe for concurrent use; Close it when done.
type Client struct {
	config    *rest.Config
	timeout   time.Duration // of one request (--request-timeout); 0: only the context's
	namespace string
	server    string // the API server's address, for people
	context   string // of the kubeconfig; empty if there is none
	client    func() (*rest.RESTClient, error)
	streams   func() (*rest.RESTClient, error) // for logs
	admin     adminPool

	mu      sync.Mutex
	refused []string // rights that were missing, each once
}

// New reads the kubeconfig that g stands for. It contacts nothing: connections are made when first needed.
func New(g genericclioptions.RESTClientGetter, o Options) (*Client, error) {
	loader := g.ToRawKubeConfigLoader()
	base, err := g.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the namespace of the kubeconfig: %w", err)
	}
	config := rest.CopyConfig(base)
	c := &Client{config: config, timeout: config.Timeout, namespace: namespace}
	config.Timeout = 0 // would also end logs that are followed and forwards; each request gets it as a deadline instead
	config.UserAgent = o.UserAgent
	if config.UserAgent == "" {
		config.UserAgent = "kubectl-egress"
	}
	config.RateLimiter = newLimiter(o)
	config.WarningHandler = rest.NoWarnings{}
	if o.Warnings != nil {
		config.WarningHandler = rest.NewWarningWriter(o.Warnings, rest.WarningWriterOptions{Deduplicate: true})
	}
	address, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's address of the kubeconfig: %w", err)
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &home{scheme: address.Scheme, host: address.Host, next: next, most: maxAnswer}
	})
	o.guard(config, strings.TrimSuffix(address.Path, "/"))
	c.server = address.Scheme + "://" + address.Host
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	c.context = raw.CurrentContext
	if f, ok := g.(*genericclioptions.ConfigFlags); ok && f.Context != nil && *f.Context != "" {
		c.context = *f.Context
	}
	c.client = sync.OnceValues(func() (*rest.RESTClient, error) { return restClient(c.config) })
	c.streams = sync.OnceValues(c.connectStreams)
	return c, nil
}

// guard puts what refuses requests below everything that makes them, so that no bug above can pass it. Which path is before /api says
// prefix.
func (o Options) guard(config *rest.Config, prefix string) {
	if o.ReadOnly || o.Command != nil && !o.Command.Writes {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &readOnly{prefix: prefix, next: next} })
	}
	if o.Command != nil {
		table := o.Command.allowed()
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return &tableGuard{command: o.Command.Name, allowed: table, prefix: prefix, next: next}
		})
	}
}

// Namespace is the one that the flags or the kubeconfig's context name; default "default".
func (c *Client) Namespace() string { return c.namespace }

// Refused names the rights that were missing so far, each once and sorted, as Error.Right does: what could not be seen for want of them.
// That of a namespace is left out where that of all was missing too.
func (c *Client) Refused() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.refused)
	return slices.DeleteFunc(slices.Clone(c.refused), func(right string) bool {
		what, _, one := strings.Cut(right, inNamespace)
		return one && slices.Contains(c.refused, what+inAll)
	})
}

func (c *Client) refuse(right string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.refused, right) {
		c.refused = append(c.refused, right)
	}
}

// Close ends the port-forwards that EnvoyGet keeps open.
func (c *Client) Close() { c.admin.close() }

// restClient builds the REST client. It knows no types but Status: objects are decoded by encoding/json into whatever the
// caller brings, so that no scheme has to be filled when the program starts.
func restClient(given *rest.Config) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	scheme.AddUnversionedTypes(schema.GroupVersion{Version: "v1"}, &metav1.Status{})
	config := rest.CopyConfig(given)
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = runtime.ContentTypeJSON
	config.AcceptContentTypes = runtime.ContentTypeJSON
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return rest.UnversionedRESTClientForConfigAndClient(config, transport)
}

// request starts a request for an object, or for a collection if name is empty.
func (c *Client) request(method string, r Resource, namespace, name string) (*rest.Request, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	return requestBy(client, method, r, namespace, name)
}

// requestBy is request by one of the connections.
func requestBy(client *rest.RESTClient, method string, r Resource, namespace, name string) (*rest.Request, error) {
	prefix := []string{"/apis", r.Group, r.Version}
	if r.Group == "" {
		prefix = []string{"/api", r.Version}
	}
	request := client.Verb(method).AbsPath(prefix...).Resource(r.Resource)
	if namespace != "" {
		request.Namespace(namespace)
	}
	if name != "" {
		request.Name(name)
	}
	return request, request.Error() // a name that is not one path segment
}

// do sends a request and gives the body of a good answer. The error is not yet an *Error.
func (c *Client) do(ctx context.Context, request *rest.Request) ([]byte, error) {
	if c.timeout > 0 {
		request.Timeout(c.timeout)
	}
	result := request.Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

// limiter turns "the wait would be longer than the deadline" into the deadline it is.
type limiter struct{ flowcontrol.RateLimiter }

func newLimiter(o Options) flowcontrol.RateLimiter {
	if o.QPS < 0 {
		return flowcontrol.NewFakeAlwaysRateLimiter()
	}
	if o.QPS == 0 {
		o.QPS = DefaultQPS
	}
	if o.Burst <= 0 {
		o.Burst = DefaultBurst
	}
	return limiter{flowcontrol.NewTokenBucketRateLimiter(o.QPS, o.Burst)}
}

// Wait blocks until the next request may be sent.
func (l limiter) Wait(ctx context.Context) error {
	err := l.RateLimiter.Wait(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("waiting for the limit of requests per second (--qps): %w", errors.Join(context.DeadlineExceeded, err))
	}
	return err
}
