package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/version"
)

// defaultPage keeps one answer of the API server near a megabyte.
const defaultPage = 500

// maxRestarts bounds how often a list begins anew because the API server forgot its snapshot, which it keeps 5 minutes.
const maxRestarts = 3

// ListOptions narrow a list. The zero value lists everything.
type ListOptions struct {
	Labels   string // label selector
	Fields   string // field selector
	PageSize int64  // objects in one answer, default 500
	// HeadsOnly asks for metadata alone (PartialObjectMetadata): what Secrets and the like hold does not leave the API server.
	HeadsOnly bool
	// Restart is called when the API server has forgotten the snapshot that the list was reading (410 Gone): items come
	// again from the first, and whoever kept them drops them. If nil, the list fails instead.
	Restart func()
}

// Lister is what ListOf needs of a Client.
type Lister interface {
	List(ctx context.Context, r Resource, namespace string, o ListOptions, item func(json.RawMessage) error) error
}

// Get reads one object into what encoding/json can decode it to. The namespace is empty for kinds that have none.
func (c *Client) Get(ctx context.Context, r Resource, namespace, name string, into any) error {
	o := operation{doing: "get", verb: "get", resource: r, namespace: namespace, name: name}
	if name == "" {
		return c.fail(ctx, o, errors.New("no name given"))
	}
	request, err := c.request(http.MethodGet, r, namespace, name)
	if err != nil {
		return c.fail(ctx, o, err)
	}
	body, err := c.do(ctx, request)
	if err != nil {
		return c.fail(ctx, o, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decode %s: %w", o.object(), err)
	}
	return nil
}

// List reads all objects of a kind, page by page, and hands each to item as it comes; an error of item ends it.
// An empty namespace means all. The items of built-in kinds carry no apiVersion and kind.
func (c *Client) List(ctx context.Context, r Resource, namespace string, o ListOptions, item func(json.RawMessage) error) error {
	if o.PageSize <= 0 {
		o.PageSize = defaultPage
	}
	about := operation{doing: "list", verb: "list", resource: r, namespace: namespace}
	var from string
	size := 0
	for pages, restarts := 1, 0; ; pages++ {
		items, next, err := c.page(ctx, r, namespace, o, from)
		if expired(err) && from != "" && o.Restart != nil && restarts < maxRestarts {
			restarts++
			from = ""
			o.Restart()
			continue
		}
		if err != nil {
			return c.fail(ctx, about, err)
		}
		for _, raw := range items {
			if err := item(raw); err != nil {
				return fmt.Errorf("list %s: %w", about.object(), err)
			}
			size += len(raw)
		}
		if next == "" {
			return nil
		}
		if next == from {
			return c.fail(ctx, about, errors.New("the API server gives the same page again and again"))
		}
		if pages >= maxPages || size > maxList {
			return c.fail(ctx, about, fmt.Errorf("the API server's list does not end: %d pages with %d MiB so far", pages, size>>20))
		}
		from = next
	}
}

// page reads one page from a place that the API server gave; empty for the first.
func (c *Client) page(ctx context.Context, r Resource, namespace string, o ListOptions, from string) (items []json.RawMessage, next string, err error) {
	request, err := c.request(http.MethodGet, r, namespace, "")
	if err != nil {
		return nil, "", err
	}
	for name, value := range map[string]string{"labelSelector": o.Labels, "fieldSelector": o.Fields, "continue": from} {
		if value != "" {
			request.Param(name, value)
		}
	}
	if o.HeadsOnly {
		request.SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json")
	}
	body, err := c.do(ctx, request.Param("limit", strconv.FormatInt(o.PageSize, 10)))
	if err != nil {
		return nil, "", err
	}
	var list struct {
		Metadata struct {
			Continue string `json:"continue"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, "", fmt.Errorf("decoding the answer: %w", err)
	}
	return list.Items, list.Metadata.Continue, nil
}

func expired(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

// ListOf reads all objects of a kind as values of T.
func ListOf[T any](ctx context.Context, l Lister, r Resource, namespace string, o ListOptions) ([]T, error) {
	var all []T
	restart := o.Restart
	o.Restart = func() {
		all = nil
		if restart != nil {
			restart()
		}
	}
	err := l.List(ctx, r, namespace, o, func(raw json.RawMessage) error {
		var one T
		if err := json.Unmarshal(raw, &one); err != nil {
			return fmt.Errorf("decode %s: %w", nameOf(raw), err)
		}
		all = append(all, one)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// nameOf finds out which object could not be decoded.
func nameOf(raw json.RawMessage) string {
	var object struct {
		Metadata struct{ Namespace, Name string }
	}
	if err := json.Unmarshal(raw, &object); err != nil || object.Metadata.Name == "" {
		return "an object without a name"
	}
	return object.Metadata.Namespace + "/" + object.Metadata.Name
}

// ServedVersions lists the versions of an API group that the cluster serves, newest first: v1, v1beta1, v1alpha3. A
// group that it does not serve is ErrAbsent.
func (c *Client) ServedVersions(ctx context.Context, group string) ([]string, error) {
	o := operation{doing: "discover", verb: "get", resource: Resource{Resource: "apigroups"}, name: group}
	client, err := c.client()
	if err != nil {
		return nil, c.fail(ctx, o, err)
	}
	body, err := c.do(ctx, client.Get().AbsPath("/apis", group))
	if err != nil {
		return nil, c.fail(ctx, o, err)
	}
	var served struct {
		Versions []struct {
			Version string `json:"version"`
		} `json:"versions"`
	}
	if err := json.Unmarshal(body, &served); err != nil {
		return nil, fmt.Errorf("decode %s: %w", o.object(), err)
	}
	versions := make([]string, 0, len(served.Versions))
	for _, v := range served.Versions {
		versions = append(versions, v.Version)
	}
	slices.SortFunc(versions, func(a, b string) int { return version.CompareKubeAwareVersionStrings(b, a) })
	return versions, nil
}
