//! Class fields as assignments, for `useDefineForClassFields: false`: a field without a value is no
//! field at all, and the others are set by the constructor.

use swc_core::common::DUMMY_SP;
use swc_core::ecma::ast::*;
use swc_core::ecma::utils::constructor::inject_after_super;
use swc_core::ecma::utils::default_constructor_with_span;
use swc_core::ecma::visit::{VisitMut, VisitMutWith};

/// Turns fields into assignments. Static, private and computed ones stay as they are.
pub(crate) struct AssignedFields;

/// `this.KEY = VALUE`; `None` for keys that are computed.
fn assignment(key: &PropName, value: Box<Expr>) -> Option<Box<Expr>> {
    let prop = match key {
        PropName::Ident(name) => MemberProp::Ident(name.clone()),
        PropName::Str(text) => computed(Expr::Lit(Lit::Str(text.clone()))),
        PropName::Num(number) => computed(Expr::Lit(Lit::Num(number.clone()))),
        PropName::Computed(_) | PropName::BigInt(_) => return None,
    };
    let target = MemberExpr {
        span: DUMMY_SP,
        obj: Box::new(Expr::This(ThisExpr { span: DUMMY_SP })),
        prop,
    };
    Some(Box::new(Expr::Assign(AssignExpr {
        span: DUMMY_SP,
        op: AssignOp::Assign,
        left: target.into(),
        right: value,
    })))
}

fn computed(key: Expr) -> MemberProp {
    MemberProp::Computed(ComputedPropName {
        span: DUMMY_SP,
        expr: Box::new(key),
    })
}

impl VisitMut for AssignedFields {
    fn visit_mut_class(&mut self, class: &mut Class) {
        class.visit_mut_children_with(self);
        let mut assignments = Vec::new();
        for member in &mut class.body {
            let ClassMember::ClassProp(field) = member else {
                continue;
            };
            // Without a value, `declare` has the same meaning.
            if field.is_static || field.declare || field.key.is_computed() {
                continue;
            }
            field.definite = false;
            if let Some(value) = field.value.take() {
                assignments.extend(assignment(&field.key, value));
            }
            field.declare = field.decorators.is_empty();
        }
        if assignments.is_empty() {
            return;
        }
        let constructor = class.body.iter_mut().find_map(|member| match member {
            ClassMember::Constructor(constructor) if constructor.body.is_some() => {
                Some(constructor)
            }
            _ => None,
        });
        match constructor {
            Some(constructor) => inject_after_super(constructor, assignments),
            None => {
                let has_super = class.super_class.is_some();
                let mut constructor = default_constructor_with_span(has_super, DUMMY_SP);
                inject_after_super(&mut constructor, assignments);
                class.body.push(ClassMember::Constructor(constructor));
            }
        }
    }
}
