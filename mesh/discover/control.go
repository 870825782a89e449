package discover

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

const (
	labelRevision = "istio.io/rev"
	sourceVersion = "version of " // begins the source of every Unread about a version
	// labelsIstiod selects istiod, and Pilot as it was called up to Istio 1.4.
	labelsIstiod = "app in (istiod,pilot)"
	// istiodMonitoring is where istiod tells its version, at /version.
	istiodMonitoring = 15014
	// patience bounds the dear ways to the version: a port that a firewall swallows must not hold up everything else.
	patience = 5 * time.Second
)

// controlPlane is an istiod.
type controlPlane struct {
	revision mesh.Revision
	app      string // istiod or pilot; empty if none was found
	labels   map[string]string
	image    string
	domain   string // the cluster domain that it was told; empty if it was not
}

// controlPlanes finds every istiod, sorted by name of revision. Who may not list Deployments everywhere may perhaps in
// Istio's namespace.
func (f *finder) controlPlanes(ctx context.Context) ([]controlPlane, error) {
	options := kube.ListOptions{Labels: labelsIstiod}
	all, err := kube.ListOf[deployment](ctx, f, deploymentsResource, "", options)
	if errors.Is(err, kube.ErrForbidden) {
		f.note("deployments in all namespaces", kindForbidden, err.Error())
		all, err = kube.ListOf[deployment](ctx, f, deploymentsResource, defaultRoot, options)
	}
	if err != nil {
		return nil, f.soften(ctx, "deployments of istiod", err)
	}
	var planes []controlPlane
	for _, d := range all {
		for _, c := range d.Spec.Template.Spec.Containers {
			if c.Name != "discovery" {
				continue
			}
			name := cmp.Or(d.Metadata.Labels[labelRevision], "default")
			planes = append(planes, controlPlane{
				revision: mesh.Revision{Name: name, Namespace: d.Metadata.Namespace},
				app:      d.Metadata.Labels["app"],
				labels:   d.Metadata.Labels,
				image:    c.Image,
				domain:   argument(c.Args, "--domain"),
			})
		}
	}
	egress.SortFunc(planes, func(a, b controlPlane) int {
		return cmp.Or(cmp.Compare(a.revision.Name, b.revision.Name), cmp.Compare(a.revision.Namespace, b.revision.Namespace))
	})
	if len(planes) == 0 {
		f.note("deployments of istiod", kindAbsent, "no Deployment with label app=istiod: Istio is not installed, or its control plane runs elsewhere")
	}
	return planes, nil
}

// chief is the control plane whose configuration holds where no other is asked for: the default revision, else the
// newest. With none at all it is what istioctl installs.
func chief(planes []controlPlane) controlPlane {
	if len(planes) == 0 {
		return controlPlane{revision: mesh.Revision{Name: "default", Namespace: defaultRoot}}
	}
	return slices.MaxFunc(planes, func(a, b controlPlane) int {
		return cmp.Or(
			boolCompare(a.revision.Name == "default", b.revision.Name == "default"),
			a.revision.Version.Compare(b.revision.Version),
			-cmp.Compare(a.revision.Name, b.revision.Name),
		)
	})
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// versions fills in each control plane's version, from what is there already to what costs connections: the image's
// tag, labels, istiod's own answer. Where there is one at most that stays unknown, fallback is what started a gateway's
// Envoy; of several control planes nothing tells which one a gateway belongs to.
func (f *finder) versions(ctx context.Context, planes []controlPlane, gateways []found) (fallback mesh.Version, err error) {
	group, askCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i := range planes {
		p := &planes[i]
		if p.revision.Version = p.told(); p.revision.Version.IsZero() {
			group.Go(func() (err error) {
				p.revision.Version, err = f.askIstiod(askCtx, *p)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return mesh.Version{}, err
	}
	if len(planes) > 1 || len(planes) == 1 && !planes[0].revision.Version.IsZero() {
		return mesh.Version{}, nil
	}
	at := slices.IndexFunc(gateways, func(g found) bool { return len(g.pods) > 0 })
	if at < 0 {
		return mesh.Version{}, nil
	}
	if fallback, err = f.askEnvoy(ctx, gateways[at].pods[0]); err != nil || fallback.IsZero() {
		return fallback, err
	}
	f.forget(sourceVersion)
	if len(planes) == 1 {
		planes[0].revision.Version = fallback
	}
	return fallback, nil
}

// told is the version that the Deployment itself tells. Charts that were not released, those of a build of one's own,
// are labelled 1.0.0, and releases that old do not have these labels: so an old version is not believed.
func (p controlPlane) told() mesh.Version {
	if v, err := mesh.ParseVersion(tag(p.image)); err == nil {
		return v
	}
	for _, label := range []string{"operator.istio.io/version", "app.kubernetes.io/version"} {
		if v, err := mesh.ParseVersion(p.labels[label]); err == nil && v.AtLeast(1, 6) {
			return v
		}
	}
	return mesh.Version{}
}

// askIstiod asks one of the control plane's pods.
func (f *finder) askIstiod(ctx context.Context, p controlPlane) (mesh.Version, error) {
	source := fmt.Sprintf(sourceVersion+"revision %s in namespace %s", p.revision.Name, p.revision.Namespace)
	labels := "app=" + p.app
	if p.labels[labelRevision] != "" {
		labels += "," + labelRevision + "=" + p.labels[labelRevision]
	}
	pods, err := kube.ListOf[pod](ctx, f, podsResource, p.revision.Namespace, kube.ListOptions{Labels: labels})
	if err != nil {
		return mesh.Version{}, f.soften(ctx, source, err)
	}
	for _, candidate := range pods {
		if !candidate.serving() || !candidate.ready() {
			continue
		}
		short, cancel := context.WithTimeout(ctx, patience)
		answer, err := f.PodGet(short, p.revision.Namespace, candidate.Metadata.Name, istiodMonitoring, "/version")
		cancel()
		if err != nil {
			return mesh.Version{}, f.soften(ctx, source, err)
		}
		if v, err := mesh.ParseVersion(string(answer)); err == nil {
			return v, nil
		}
		f.note(source, kindAbsent, fmt.Sprintf("istiod itself says %q", truncate(string(answer))))
		return mesh.Version{}, nil
	}
	f.note(source, kindAbsent, "no pod with labels "+labels+" is ready")
	return mesh.Version{}, nil
}

// askEnvoy reads which Istio started a gateway's Envoy.
func (f *finder) askEnvoy(ctx context.Context, target pod) (v mesh.Version, err error) {
	source := fmt.Sprintf(sourceVersion+"pod %s/%s", target.Metadata.Namespace, target.Metadata.Name)
	if c, ok := target.Spec.proxy(); ok {
		if v, err := mesh.ParseVersion(tag(c.Image)); err == nil {
			return v, nil
		}
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := f.EnvoyGet(short, target.Metadata.Namespace, target.Metadata.Name, "/server_info")
	if err != nil {
		return mesh.Version{}, f.soften(ctx, source, err)
	}
	var info struct {
		Node struct {
			Metadata struct {
				Version string `json:"ISTIO_VERSION"`
			} `json:"metadata"`
		} `json:"node"`
	}
	err = errors.Join(json.NewDecoder(io.LimitReader(body, 4<<20)).Decode(&info), body.Close())
	if err != nil {
		return mesh.Version{}, f.soften(ctx, source, fmt.Errorf("read /server_info: %w", err))
	}
	v, err = mesh.ParseVersion(info.Node.Metadata.Version)
	if err != nil {
		f.note(source, kindAbsent, fmt.Sprintf("its Envoy was started by Istio %q", truncate(info.Node.Metadata.Version)))
		return mesh.Version{}, nil
	}
	return v, nil
}

func truncate(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most]
	}
	return s
}
